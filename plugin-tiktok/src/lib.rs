//! TikTok provider.
