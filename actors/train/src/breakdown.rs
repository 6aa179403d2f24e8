//! What libtorch says when it breaks down. Through tch its errors come as panics, and each brings kilobytes of C++ trace.
//! Not here: what becomes of a run then (see `trainer`).

use std::any::Any;

/// What tch's panics have before libtorch's own words, which are in quotes and escaped after it.
const BEFORE: &str = "Torch(\"";

/// The first line of a panic's message.
pub fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("a panic without words");
    let of_libtorch = text.split_once(BEFORE).and_then(|(_, quoted)| quoted.split("\\n").next());
    of_libtorch.or(text.lines().next()).unwrap_or_default().trim_end_matches("\")").to_owned()
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn libtorchs_own_words_are_told_without_the_trace() {
        let shape = [1 << 20, 1 << 30];
        let panic = catch_unwind(|| Tensor::zeros(shape, (Kind::Float, Device::Cpu))).expect_err("4 PiB");
        let words = words(&*panic);
        assert!(words.contains("allocate") && !words.contains("frame #") && !words.contains("unwrap"), "{words}");
        assert!(words.len() < 300, "{words}");
    }

    #[test]
    fn other_panics_are_told_by_their_first_line() {
        assert_eq!(words(&"first\nsecond"), "first");
        assert_eq!(words(&"as asked for".to_owned()), "as asked for");
        assert_eq!(words(&7), "a panic without words");
    }
}
