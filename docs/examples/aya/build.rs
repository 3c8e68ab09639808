//! Compiles the kernel's part, which is in C, with clang.
use std::{env, path::PathBuf, process::Command};

fn main() {
    let source = "src/forks.bpf.c";
    let object = PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("forks.bpf.o");
    let include = format!("-I/usr/include/{}-linux-gnu", env::consts::ARCH);
    println!("cargo:rerun-if-changed={source}");
    let done = Command::new("clang")
        .args(["-O2", "-g", "-target", "bpf", &include, "-c", source, "-o"])
        .arg(object)
        .status()
        .expect("clang is not on the PATH");
    assert!(done.success(), "clang could not compile {source}");
}
