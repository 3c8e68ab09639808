// SPDX-License-Identifier: Apache-2.0

//! Why something could not be done.

use std::{any::Any, error::Error, io};

use aya::programs::ProgramError;
use serde_json::{Value, json};

/// What the runner knows by name.
const NAMES: [(i32, &str); 12] = [
    (1, "EPERM"),
    (2, "ENOENT"),
    (3, "ESRCH"),
    (7, "E2BIG"),
    (12, "ENOMEM"),
    (13, "EACCES"),
    (14, "EFAULT"),
    (16, "EBUSY"),
    (17, "EEXIST"),
    (22, "EINVAL"),
    (28, "ENOSPC"),
    (95, "EOPNOTSUPP"),
];

pub struct Refusal {
    message: String,
    errno: Option<&'static str>,
    /// Of the program that was refused, and what the verifier says.
    verifier: Option<(String, String)>,
}

impl Refusal {
    pub fn new(message: String) -> Self {
        Self {
            message,
            errno: None,
            verifier: None,
        }
    }

    /// What the library, or this program, can't do.
    pub fn unsupported(what: &str) -> Self {
        Self::new(format!("loader: aya {what}"))
    }

    /// An error of the library, with what caused it.
    pub fn of(about: &str, error: &(dyn Error + 'static)) -> Self {
        let mut words = vec![about.to_string(), error.to_string()];
        let mut errno = errno_of(error);
        let mut cause = error.source();
        while let Some(next) = cause {
            let text = next.to_string();
            // Some print their cause themselves.
            if !words.iter().any(|it| it.ends_with(&text)) {
                words.push(text);
            }
            errno = errno.or_else(|| errno_of(next));
            cause = next.source();
        }
        words.retain(|it| !it.is_empty());
        Self {
            message: words.join(": "),
            errno,
            verifier: None,
        }
    }

    /// Why a program was not loaded.
    pub fn of_load(program: &str, error: &ProgramError) -> Self {
        let about = format!("program {program}");
        let ProgramError::LoadError {
            io_error,
            verifier_log,
        } = error
        else {
            return Self::of(&about, error);
        };
        Self {
            message: format!("{about}: the BPF_PROG_LOAD syscall returned {io_error}"),
            errno: errno_of(io_error),
            verifier: Some((program.to_string(), verifier_log.to_string())),
        }
    }

    pub fn of_panic(cause: &(dyn Any + Send)) -> Self {
        let text = cause
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| cause.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Self::new(format!("loader: aya panicked: {text}"))
    }

    /// The answer; its log has the verifier's between the marks that libbpf sets, too.
    pub fn json(&self) -> Value {
        let mut log = format!("{}\n", self.message);
        if let Some((program, verifier)) = &self.verifier {
            log += &format!("prog '{program}': refused\n");
            if !verifier.trim().is_empty() {
                log += &format!(
                    "-- BEGIN PROG LOAD LOG --\n{}\n-- END PROG LOAD LOG --\n",
                    verifier.trim_end()
                );
            }
        }
        json!({
            "error": {"message": self.message, "errno": self.errno},
            "log": log,
        })
    }
}

fn errno_of(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let number = error.downcast_ref::<io::Error>()?.raw_os_error()?;
    NAMES
        .iter()
        .find(|(known, _)| *known == number)
        .map(|(_, name)| *name)
}
