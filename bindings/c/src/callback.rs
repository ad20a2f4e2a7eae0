//! Functions of the embedding program that the library calls: how they are entered, and what they may say.
//!
//! They run on threads that may block, never on those that drive calls. While one runs, its thread refuses calls
//! with a host: they would wait for threads that may be waiting for it.

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::argument::{invalid, required};
use crate::border::enter;
use crate::{socialchannel_error, socialchannel_status};

thread_local! {
    /// This thread runs a function of the embedding program.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// What that function has said of its failure.
    static WHY: RefCell<Option<String>> = const { RefCell::new(None) };
}

pub(crate) fn is_inside() -> bool {
    INSIDE.get()
}

/// Runs one function of the program. Returns what it returned, and what it said by socialchannel_explain.
pub(crate) fn inside<T>(function: impl FnOnce() -> T) -> (T, Option<String>) {
    WHY.set(None);
    let before = INSIDE.replace(true);
    let result = function();
    INSIDE.set(before);
    (result, WHY.take())
}

/// What is wrong with what a function of the program gave, beside a failure that is returned for it.
pub(crate) fn explain(why: &str) {
    WHY.set(Some(why.to_owned()));
}

/// What a table's functions get as their first argument, and what ends it.
pub(crate) struct Userdata {
    pointer: *mut c_void,
    finalize: Option<unsafe extern "C" fn(userdata: *mut c_void)>,
    /// The library has taken it over: opening succeeded.
    taken: AtomicBool,
}

// SAFETY: the library only passes the pointer on, and the header demands that any thread may use what it points to.
unsafe impl Send for Userdata {}
// SAFETY: likewise, from several threads at once.
unsafe impl Sync for Userdata {}

impl Userdata {
    pub(crate) fn new(
        pointer: *mut c_void,
        finalize: Option<unsafe extern "C" fn(userdata: *mut c_void)>,
    ) -> Self {
        Userdata { pointer, finalize, taken: AtomicBool::new(false) }
    }

    pub(crate) fn get(&self) -> *mut c_void {
        self.pointer
    }

    pub(crate) fn take(&self) {
        self.taken.store(true, Ordering::Release);
    }
}

impl Drop for Userdata {
    fn drop(&mut self) {
        if let Some(finalize) = self.finalize.filter(|_| self.taken.load(Ordering::Acquire)) {
            // SAFETY: the program gave both for this; nothing of the table is used any more, for this is its last owner.
            inside(|| unsafe { finalize(self.pointer) });
        }
    }
}

/// Says why a function of socialchannel_storage or socialchannel_http is about to return a failure: one sentence for
/// the operator, which becomes part of the error's message. No token, and no address with its query. The last one counts.
///
/// INVALID_ARGUMENT with code `not_in_callback`: this thread is not inside of such a function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socialchannel_explain(
    why: *const c_char,
    error_out: *mut *mut socialchannel_error,
) -> socialchannel_status {
    // SAFETY: the pointers are as the header demands.
    unsafe {
        enter(error_out, || {
            let why = required("why", why)?;
            if !is_inside() {
                return Err(invalid(
                    "why",
                    "not_in_callback",
                    "explains a function that this thread does not run",
                ));
            }
            explain(why);
            Ok(())
        })
    }
}
