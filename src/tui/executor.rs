//! Runs slow effects outside the thread that draws. Answers return as messages in a later turn of the event loop.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::app::Msg;

/// A queue for blocking work. Work in one queue is done in the order in which it was requested; different queues do not
/// wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Changes of the store.
    Revocations,
    /// Reading and writing the policy file.
    Policy,
    /// Writing new files.
    Evidence,
    /// Starting and stopping the server.
    Server,
    /// Copying texts.
    Clipboard,
    /// Generating keys.
    Keys,
}

/// How many queues there are.
const QUEUES: usize = 6;

/// An effect that may take long, and that may lead to a message.
pub enum Job {
    /// Work that blocks: files, locks, host names.
    Blocking(Queue, Work),
    /// Calls of a tool.
    Call(Pin<Box<dyn Future<Output = Msg> + Send>>),
}

type Work = Box<dyn FnOnce() -> Option<Msg> + Send>;

impl Job {
    /// Creates a job for a queue.
    pub fn new(queue: Queue, work: impl FnOnce() -> Option<Msg> + Send + 'static) -> Self {
        Self::Blocking(queue, Box::new(work))
    }

    /// Runs the job on this thread. This is the executor of tests without a terminal.
    pub fn run(self) -> Option<Msg> {
        match self {
            Self::Blocking(_, work) => work(),
            Self::Call(mut call) => ready(&mut call),
        }
    }
}

/// Polls a call once; returns its answer if it is ready.
fn ready(call: &mut Pin<Box<dyn Future<Output = Msg> + Send>>) -> Option<Msg> {
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(msg) => Some(msg),
        Poll::Pending => None,
    }
}

/// The running jobs, and those that wait for their turn.
#[derive(Default)]
pub struct Executor {
    running: JoinSet<(Option<Queue>, Option<Msg>)>,
    /// `Some` while a job of the queue is running; contains the work that waits for it.
    waiting: [Option<VecDeque<Work>>; QUEUES],
}

impl Executor {
    /// Begins a job. Returns the answer of a call if it is ready at once; all other answers arrive through
    /// [`Executor::next`].
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

    /// Waits for the end of a job, and returns its answer if it has one. Waits forever while no job is running.
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<Msg> {
        match self.running.join_next().await {
            Some(Ok((queue, answer))) => {
                if let Some(queue) = queue {
                    self.go_on(queue);
                }
                answer
            }
            // The job has panicked. The panic hook has reported it, and the console ends because of it.
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

    /// Waits until a queue has finished all of its work, but at most for `bound`. Answers are dropped.
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
        // The first job still waits for the test, so `finish` gives up.
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
