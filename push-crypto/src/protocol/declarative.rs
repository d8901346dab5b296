//! Declarative push messages (Push API, merged 2025).
