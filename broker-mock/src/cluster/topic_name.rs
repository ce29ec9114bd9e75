//! Which names a topic may have.

/// The longest name.
const MAX_LENGTH: usize = 249;

/// Kafka's rules for topic names, or which of them is broken.
pub(crate) fn check_topic_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("Topic name is invalid: it is empty".to_owned());
    }
    if matches!(name, "." | "..") {
        return Err(format!("Topic name is invalid: '{name}' is '.' or '..'"));
    }
    if name.len() > MAX_LENGTH {
        return Err(format!("Topic name is invalid: it is longer than {MAX_LENGTH} characters"));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        return Err(format!(
            "Topic name is invalid: '{name}' holds other characters than ASCII letters, digits, '.', '_' and '-'"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_topic_name;

    #[test]
    fn names_are_judged_by_kafkas_rules() {
        for good in ["a", "a.b_c-D9", &"x".repeat(249)] {
            assert_eq!(check_topic_name(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a b", "ä", &"x".repeat(250)] {
            assert!(check_topic_name(bad).is_err(), "{bad}");
        }
    }
}
