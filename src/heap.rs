//! Free memory that the allocator keeps.

/// Returns free memory to the system, after a peak. It locks each of the allocator's arenas for a moment, so it's not for
/// a thread that must not wait.
///
/// glibc by itself returns only what is free at the end of an arena, and one small allocation there keeps all the rest. See
/// `malloc_trim(3)`. Does nothing with other allocators.
pub fn release_free_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(
        unsafe_code,
        reason = "a call of the C library, for which there is no crate"
    )]
    // SAFETY: it takes no pointer, and may be called at any time, from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
