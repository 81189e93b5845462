//! Runs slow effects off the thread that draws. Answers return as messages in a later turn of the event loop.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::app::Msg;

/// Work of one queue is done in the order in which it was asked for; different queues do not wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Changes of the store.
    Revocations,
    /// The policy's file, read and written.
    Policy,
    /// Files that are written once.
    Evidence,
    /// The server, started and stopped.
    Server,
    /// Copies.
    Clipboard,
}

/// How many queues there are.
const QUEUES: usize = 5;

/// Something that may take long, and leads to a message.
pub enum Job {
    /// Work that blocks: files, locks, names of hosts.
    Blocking(Queue, Work),
    /// A call of tools.
    Call(Pin<Box<dyn Future<Output = Msg> + Send>>),
}

type Work = Box<dyn FnOnce() -> Option<Msg> + Send>;

impl Job {
    /// Work for a queue.
    pub fn new(queue: Queue, work: impl FnOnce() -> Option<Msg> + Send + 'static) -> Self {
        Self::Blocking(queue, Box::new(work))
    }

    /// Does it on this thread: the executor of tests that need no terminal.
    pub fn run(self) -> Option<Msg> {
        match self {
            Self::Blocking(_, work) => work(),
            Self::Call(mut call) => ready(&mut call),
        }
    }
}

/// The answer of a call that needs to wait for nothing.
fn ready(call: &mut Pin<Box<dyn Future<Output = Msg> + Send>>) -> Option<Msg> {
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(msg) => Some(msg),
        Poll::Pending => None,
    }
}

/// The jobs under way, and those that wait for their turn.
#[derive(Default)]
pub struct Executor {
    running: JoinSet<(Option<Queue>, Option<Msg>)>,
    /// `Some` while the queue works; holds what comes after that.
    waiting: [Option<VecDeque<Work>>; QUEUES],
}

impl Executor {
    /// Begins a job. The answer of a call that is there at once is returned; all others come through [`Executor::next`].
    pub fn begin(&mut self, job: Job) -> Option<Msg> {
        match job {
            Job::Blocking(queue, work) => match &mut self.waiting[queue as usize] {
                Some(waiting) => waiting.push_back(work),
                idle => {
                    *idle = Some(VecDeque::new());
                    self.spawn(queue, work);
                }
            },
            Job::Call(mut call) => {
                let msg = ready(&mut call);
                if msg.is_none() {
                    self.running.spawn(async { (None, Some(call.await)) });
                }
                return msg;
            }
        }
        None
    }

    fn spawn(&mut self, queue: Queue, work: Work) {
        self.running.spawn_blocking(move || (Some(queue), work()));
    }

    /// Waits for the end of a job, and returns its answer if it has one; for ever while no job is under way. Cancel-safe.
    pub async fn next(&mut self) -> Option<Msg> {
        match self.running.join_next().await {
            Some(Ok((queue, answer))) => {
                if let Some(queue) = queue {
                    self.go_on(queue);
                }
                answer
            }
            // A panic, which its hook has reported; the console ends because of it.
            Some(Err(_)) => None,
            None => std::future::pending().await,
        }
    }

    fn go_on(&mut self, queue: Queue) {
        match self.waiting[queue as usize].as_mut().and_then(VecDeque::pop_front) {
            Some(work) => self.spawn(queue, work),
            None => self.waiting[queue as usize] = None,
        }
    }

    /// Waits until a queue has done all of its work, but not longer than `bound`. Answers are dropped.
    pub async fn finish(&mut self, queue: Queue, bound: Duration) {
        let finished = async {
            while self.waiting[queue as usize].is_some() {
                self.next().await;
            }
        };
        let _ = timeout(bound, finished).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{Executor, Job, Queue};
    use crate::app::Msg;
    use std::future::pending;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    fn said(msg: Option<Msg>) -> String {
        match msg {
            Some(Msg::Written(Ok(path))) => path,
            _ => panic!("no path"),
        }
    }

    fn says(path: &str) -> Msg {
        Msg::Written(Ok(path.to_owned()))
    }

    #[tokio::test]
    async fn a_queue_keeps_its_order_and_keeps_no_other_queue_waiting() {
        let mut executor = Executor::default();
        let (go_on, gate) = channel::<()>();
        let first = Job::new(Queue::Revocations, move || {
            gate.recv().expect("the test lets it go on");
            Some(says("first"))
        });
        assert!(executor.begin(first).is_none());
        assert!(executor.begin(Job::new(Queue::Revocations, || Some(says("second")))).is_none());
        assert!(executor.begin(Job::new(Queue::Server, || Some(says("another")))).is_none());
        assert_eq!(said(executor.next().await), "another");
        // Still at the gate: given up, not waited for.
        executor.finish(Queue::Revocations, Duration::from_millis(1)).await;
        go_on.send(()).expect("it waits");
        assert_eq!(said(executor.next().await), "first");
        assert_eq!(said(executor.next().await), "second");
        assert!(executor.waiting.iter().all(Option::is_none));
    }

    #[tokio::test]
    async fn a_call_that_is_ready_is_answered_in_the_same_turn() {
        let mut executor = Executor::default();
        let call = Job::Call(Box::pin(async { says("at once") }));
        assert_eq!(said(executor.begin(call)), "at once");
        let call = Job::Call(Box::pin(async {
            tokio::task::yield_now().await;
            says("later")
        }));
        assert!(executor.begin(call).is_none());
        assert!(executor.begin(Job::Call(Box::pin(pending()))).is_none());
        assert_eq!(said(executor.next().await), "later");
    }

    #[tokio::test]
    async fn what_is_under_way_can_be_waited_for() {
        let mut executor = Executor::default();
        executor.begin(Job::new(Queue::Revocations, || None));
        executor.begin(Job::new(Queue::Revocations, || None));
        executor.finish(Queue::Revocations, Duration::from_secs(30)).await;
        assert!(executor.waiting.iter().all(Option::is_none));
    }
}
