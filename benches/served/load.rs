//! The load: calls over kept-alive connections, each sent after the answer to the one before it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;

const BODY: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_data","arguments":{"id":1}}}"#;

fn request(address: SocketAddr, token: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nUser-Agent: load/1\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: 2025-11-25\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Reads one answer and returns its status and body.
fn answer(reader: &mut BufReader<TcpStream>) -> io::Result<(u16, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((status, body))
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// Makes this many calls over this many connections; each must be answered with 200.
pub fn calls(address: SocketAddr, token: &str, connections: usize, calls: usize) -> io::Result<()> {
    let request = request(address, token, BODY);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| {
                    let mut reader = connect(address)?;
                    for _ in 0..calls / connections {
                        reader.get_mut().write_all(&request)?;
                        let (status, _) = answer(&mut reader)?;
                        if status != 200 {
                            return Err(io::Error::other(format!("a call was answered with {status}")));
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("the worker finishes"))
    })
}

/// Whether a server passes the checks for both: a call with the token, one without, one of a forbidden tool, and one
/// with a modified signature.
pub fn check(address: SocketAddr, token: &str) -> io::Result<()> {
    let mut changed = token.to_owned();
    changed.truncate(changed.len() - 4);
    changed.push_str("AAAA");
    let forbidden = BODY.replace("read_data", "write_data");
    for (token, body, status) in [(token, BODY, 200), ("x", BODY, 401), (&changed, BODY, 401), (token, &forbidden, 403)]
    {
        let mut reader = connect(address)?;
        reader.get_mut().write_all(&request(address, token, body))?;
        let (found, text) = answer(&mut reader)?;
        if found != status {
            let text = String::from_utf8_lossy(&text).into_owned();
            return Err(io::Error::other(format!("expected {status}, got {found}: {text}")));
        }
    }
    Ok(())
}
