// SPDX-License-Identifier: Apache-2.0

//! A loader that uses Aya. It answers requests, a JSON object a line, on its standard
//! input, as the guest agent does for libbpf, until the input ends.

mod attach;
mod object;
mod refusal;
mod request;

use std::{
    io::{self, BufRead, Write},
    panic::{self, AssertUnwindSafe},
};

use serde_json::{Value, json};

use crate::{object::Session, refusal::Refusal, request::Request};

fn main() -> io::Result<()> {
    // A panic is answered; its text goes to nobody else.
    panic::set_hook(Box::new(|_| {}));
    let mut session = Session::default();
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let mut reply = answer(&mut session, &request);
        reply["id"] = json!(request.id);
        writeln!(out, "{reply}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(session: &mut Session, request: &Request) -> Value {
    let done = panic::catch_unwind(AssertUnwindSafe(|| perform(session, request)))
        .unwrap_or_else(|cause| Err(Refusal::of_panic(cause.as_ref())));
    let (ok, mut reply) = match done {
        Ok(reply) => (true, reply),
        Err(refusal) => (false, refusal.json()),
    };
    reply["ok"] = json!(ok);
    if reply.get("log").is_none() {
        reply["log"] = json!("");
    }
    reply
}

fn perform(session: &mut Session, request: &Request) -> Result<Value, Refusal> {
    match request.op.as_str() {
        "open" => session.open(request),
        "load" => session.load(),
        "attach" => session.attach(request),
        "close" => Ok(session.close()),
        other => Err(Refusal::new(format!("loader: no such operation: {other}"))),
    }
}
