//! pss
