//! The parsers of foreign octets, for the fuzz targets; no part of the API.

use crate::wire::{
    autopush,
    gcm::{checkin, form, mcs},
};

/// A frame of Firefox.
pub fn autopush_frame(text: &str) {
    autopush::frame::fuzz(text);
}

/// Octets of a Chromium on its push connection, whole and in pieces of that size.
///
/// # Panics
/// When the pieces make a difference.
pub fn mcs_frames(octets: &[u8], piece: usize) {
    const LIMIT: usize = 64 * 1024;
    let whole = mcs::check(octets, LIMIT, octets.len());
    assert_eq!(whole, mcs::check(octets, LIMIT, piece), "the pieces make a difference");
}

/// A check-in, and a registration with its `Authorization`.
///
/// # Panics
/// When a subscription is taken that lacks something.
pub fn gcm_forms(authorization: &str, body: &[u8]) {
    let _ = checkin::Asked::read(body);
    let other = form::AidLogin { android_id: 1, security_token: 1 };
    let login = form::AidLogin::read(authorization).unwrap_or(other);
    if let Ok(form::Asked::Subscribe(asked)) = form::read(body, &login) {
        assert!(!asked.app.is_empty() && !asked.subtype.is_empty() && !asked.sender.is_empty());
    }
}
