//! A processor in Rust, with nothing but `std`: answers each ping on a stream with one pong.
//!
//!     rustc -O ping_pong.rs && ./ping_pong http://127.0.0.1:4000 /games/chess
//!
//! It claims what there is to do, folds the events, and commits each with what it answers. The server keeps the state
//! and how far it came, so it may be killed at any moment and started again. Of several copies one acts; the others
//! wait. MILLSTREAM_TOKEN is sent where it is set. It speaks plain HTTP; the JSON reader below knows no more than the
//! replies need.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use std::{env, thread};

const CLAIM: &str = r#""version":1,"consumes":["ping"],"emits":["pong"],"startFrom":"start""#;
const PAUSE: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(30);

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let [_, base, path] = &arguments[..] else { panic!("ping_pong BASE_URL STREAM_PATH") };
    let server = Server { host: base.trim_start_matches("http://").trim_end_matches('/').to_string() };
    let mut owner = String::new();
    loop {
        match turn(&server, path, &mut owner) {
            Ok(true) => continue,
            Ok(false) => {}
            // 409: another copy acts now. 423: the stream is paused. The next claim says how to go on.
            Err(reason) => eprintln!("{reason}"),
        }
        thread::sleep(PAUSE);
    }
}

/// Claims, which renews the right to act, and brings each stream up to date that has something to do.
fn turn(server: &Server, path: &str, owner: &mut String) -> Result<bool, String> {
    let claim = format!("{{{CLAIM},\"streams\":{}{owner}}}", quote(path));
    let claimed = server.call("POST", "/api/processors/ping-pong-rust/claim", &claim)?;
    *owner = format!(",\"owner\":{}", quote(claimed.get("owner").text().ok_or("a claim without an owner")?));
    for instance in claimed.get("instances").items() {
        work(server, instance)?;
    }
    Ok(matches!(claimed.get("more"), Json::Bool(true)))
}

fn work(server: &Server, instance: &Json) -> Result<(), String> {
    let path = instance.get("streamPath").text().ok_or("an instance without a stream")?;
    let epoch = instance.get("epoch").number();
    // Without a state everything is folded from the first event on; what was answered is not answered again.
    let state = instance.get("state");
    let after = if matches!(state, Json::Null) { 0 } else { instance.get("offset").number() };
    let mut pings = state.get("pings").number();
    let read = format!("/api/streams{path}?afterOffset={after}&live=false&types=ping&format=json");
    for ping in server.call("GET", &read, "")?.items() {
        // Anyone may append anything: a payload without `from` is passed over.
        let mut emit = String::new();
        if let Some(from) = ping.get("payload").get("from").text() {
            pings += 1;
            emit = format!(r#"{{"type":"pong","payload":{{"to":{}}}}}"#, quote(from));
        }
        // The answer and how far it came are recorded together, or neither is.
        let commit = format!(
            r#"{{"epoch":{epoch},"streamPath":{},"offset":{},"state":{{"pings":{pings}}},"emit":[{emit}]}}"#,
            quote(path),
            ping.get("offset").number()
        );
        server.call("POST", "/api/processors/ping-pong-rust/commit", &commit)?;
    }
    Ok(())
}

struct Server {
    host: String,
}

impl Server {
    /// One request on a connection of its own. HTTP/1.0, so that the reply ends where the connection does.
    fn call(&self, method: &str, target: &str, body: &str) -> Result<Json, String> {
        let text = self.send(method, target, body).map_err(|error| format!("{} does not answer: {error}", self.host))?;
        let (head, reply) = text.split_once("\r\n\r\n").ok_or("a reply without an end of its head")?;
        let status = head.split(' ').nth(1).unwrap_or("");
        if status != "200" {
            return Err(format!("{status}: {reply}"));
        }
        Reader { rest: reply.chars().collect(), at: 0 }.value().ok_or(format!("This is no JSON: {reply}"))
    }

    fn send(&self, method: &str, target: &str, body: &str) -> std::io::Result<String> {
        let mut socket = TcpStream::connect(&self.host)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        let mut head = format!("{method} {target} HTTP/1.0\r\nHost: {}\r\n", self.host);
        if let Ok(token) = env::var("MILLSTREAM_TOKEN") {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        write!(socket, "{head}\r\n{body}")?;
        let mut reply = String::new();
        socket.read_to_string(&mut reply)?;
        Ok(reply)
    }
}

#[derive(Debug)]
enum Json {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    Items(Vec<Json>),
    Fields(Vec<(String, Json)>),
}

impl Json {
    fn get(&self, name: &str) -> &Json {
        match self {
            Json::Fields(fields) => fields.iter().find(|(key, _)| key == name).map_or(&Json::Null, |(_, value)| value),
            _ => &Json::Null,
        }
    }
    fn items(&self) -> &[Json] {
        if let Json::Items(items) = self { items } else { &[] }
    }
    fn text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }
    fn number(&self) -> i64 {
        if let Json::Number(number) = self { *number } else { 0 }
    }
}

struct Reader {
    rest: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&mut self) -> Option<char> {
        while self.rest.get(self.at).is_some_and(|character| character.is_whitespace()) {
            self.at += 1;
        }
        self.rest.get(self.at).copied()
    }

    fn take(&mut self, expected: char) -> Option<()> {
        (self.peek()? == expected).then(|| self.at += 1)
    }

    fn value(&mut self) -> Option<Json> {
        match self.peek()? {
            '{' => {
                let mut fields = Vec::new();
                self.list('{', '}', |reader| {
                    let name = reader.text()?;
                    reader.take(':')?;
                    fields.push((name, reader.value()?));
                    Some(())
                })?;
                Some(Json::Fields(fields))
            }
            '[' => {
                let mut items = Vec::new();
                self.list('[', ']', |reader| Some(items.push(reader.value()?)))?;
                Some(Json::Items(items))
            }
            '"' => Some(Json::Text(self.text()?)),
            _ => {
                let from = self.at;
                let goes_on = |each: &char| !matches!(each, ',' | ']' | '}') && !each.is_whitespace();
                while self.rest.get(self.at).is_some_and(goes_on) {
                    self.at += 1;
                }
                match self.rest[from..self.at].iter().collect::<String>().as_str() {
                    "null" => Some(Json::Null),
                    "true" => Some(Json::Bool(true)),
                    "false" => Some(Json::Bool(false)),
                    number => Some(Json::Number(number.parse::<f64>().ok()? as i64)),
                }
            }
        }
    }

    fn list(&mut self, open: char, close: char, mut item: impl FnMut(&mut Reader) -> Option<()>) -> Option<()> {
        self.take(open)?;
        while self.peek()? != close {
            item(self)?;
            if self.peek()? != close {
                self.take(',')?;
            }
        }
        self.take(close)
    }

    fn text(&mut self) -> Option<String> {
        self.take('"')?;
        let mut units: Vec<u16> = Vec::new();
        loop {
            let character = *self.rest.get(self.at)?;
            self.at += 1;
            let character = match character {
                '"' => return Some(String::from_utf16_lossy(&units)),
                '\\' => {
                    self.at += 1;
                    match *self.rest.get(self.at - 1)? {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'u' => {
                            let digits: String = self.rest.get(self.at..self.at + 4)?.iter().collect();
                            self.at += 4;
                            units.push(u16::from_str_radix(&digits, 16).ok()?);
                            continue;
                        }
                        other => other,
                    }
                }
                other => other,
            };
            units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
        }
    }
}

/// A text as JSON.
fn quote(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|each| match each {
            '"' | '\\' => format!("\\{each}"),
            control if control < ' ' => format!("\\u{:04x}", control as u32),
            other => other.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}
