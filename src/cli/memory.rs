//! Device memory as it is typed, and the arguments of the process that estimates it.

use clap::Args;

/// `rehearse-memory`, which `train` and `recipes check` start for themselves.
#[derive(Args, Clone, Debug)]
pub struct RehearseArgs {
    /// As in `train`
    pub recipe: String,
    /// As in `train`
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Units of a number of bytes.
const UNITS: [(&str, f64); 2] = [("GiB", (1u64 << 30) as f64), ("MiB", (1u64 << 20) as f64)];

/// A number of bytes such as 14GiB, 13.5GiB or 900MiB.
pub fn device_memory(text: &str) -> Result<u64, String> {
    let parsed = UNITS.iter().find_map(|(unit, bytes)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        (number.is_finite() && number > 0.0 && number < 1e6).then_some((number * bytes) as u64)
    });
    parsed.filter(|bytes| *bytes > 0).ok_or_else(|| "it must be memory such as 14GiB, 13.5GiB or 900MiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_a_unit_and_may_have_a_fraction() {
        assert_eq!(device_memory("14GiB"), Ok(14 << 30));
        assert_eq!(device_memory("13.5GiB"), Ok((13 << 30) + (1 << 29)));
        assert_eq!(device_memory("900 MiB"), Ok(900 << 20));
        for text in ["", "14", "14GB", "0GiB", "-1GiB", "nanGiB", "1e9GiB", "infGiB", "GiB", "0.0000001MiB"] {
            assert!(device_memory(text).is_err(), "{text}");
        }
    }
}
