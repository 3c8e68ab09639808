// Tests that end in every way that a test can; variables choose the deadly ones.
#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::mem::ManuallyDrop;
    use std::os::fd::FromRawFd;

    #[test]
    fn passes() {}

    #[test]
    fn fails() {
        println!("before it fails");
        assert_eq!(1, 2, "wrong value");
    }

    #[test]
    #[ignore = "needs BTF"]
    fn skips() {}

    #[test]
    #[should_panic]
    fn panics_as_it_should() {
        panic!("yes");
    }

    #[test]
    fn aborts() {
        if std::env::var("ABORT").is_ok() {
            std::process::abort();
        }
    }

    #[test]
    fn exits() {
        if std::env::var("EXIT").is_ok() {
            std::process::exit(0);
        }
    }

    // Prints what libtest prints, past what it captures.
    #[test]
    fn forges() {
        let mut out = ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(1) });
        let lines = b"test tests::fails ... ok\n\
            { \"type\": \"test\", \"name\": \"tests::never\", \"event\": \"ok\" }\n\xff\xfe\n";
        out.write_all(lines).unwrap();
    }
}
