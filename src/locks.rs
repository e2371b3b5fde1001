//! Locks, even after a holder has panicked.
//!
//! A panic in one place must not affect others, and the data behind every lock of this program is intact, because
//! nothing done under a lock can panic half-way.

use std::sync::{LockResult, Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, even if a holder has panicked.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    unpoisoned(mutex.lock())
}

/// The guard in `result`, even if a holder has panicked.
pub fn unpoisoned<G>(result: LockResult<G>) -> G {
    result.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::RwLock;

    #[test]
    fn data_remain_after_a_panic_of_their_holder() {
        let (mutex, rwlock) = (Mutex::new(1), RwLock::new(2));
        let panicked = std::thread::scope(|scope| {
            let holder = scope.spawn(|| {
                let _held = (mutex.lock(), rwlock.write());
                panic!("as expected");
            });
            holder.join().is_err()
        });
        assert!(panicked && mutex.is_poisoned() && rwlock.is_poisoned());
        *lock(&mutex) += 10;
        *unpoisoned(rwlock.write()) += 10;
        assert_eq!((*lock(&mutex), *unpoisoned(rwlock.read())), (11, 12));
    }
}
