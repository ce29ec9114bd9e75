//! Kafka's names as Rust and JSON write them.

/// `ThrottleTimeMs` → `throttle_time_ms`; `KRaftVersion` → `k_raft_version`.
pub(crate) fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (place, letter) in letters.iter().enumerate() {
        let after_small = place > 0 && letters.get(place - 1).is_some_and(|before| !before.is_uppercase());
        let before_small = place > 0 && letters.get(place + 1).is_some_and(|after| after.is_lowercase());
        if letter.is_uppercase() && (after_small || before_small) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// The name of a field in Rust.
pub(crate) fn field(name: &str) -> String {
    let snake = snake(name);
    if ["type", "match"].contains(&snake.as_str()) { "r#type".to_owned() } else { snake }
}

/// The name of a field in the JSON of Kafka's converters: only the first letter becomes small.
pub(crate) fn json(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acronyms_stay_together() {
        assert_eq!(snake("ThrottleTimeMs"), "throttle_time_ms");
        assert_eq!(snake("ISRNodes"), "isr_nodes");
        assert_eq!(snake("KRaftVersionFeature"), "k_raft_version_feature");
        assert_eq!(snake("Enable2Pc"), "enable2_pc");
    }

    #[test]
    fn json_names_only_lose_their_first_capital() {
        assert_eq!(json("ThrottleTimeMs"), "throttleTimeMs");
        assert_eq!(json("KRaftVersionFeature"), "kRaftVersionFeature");
    }
}
