//! Functions of the embedding program that the library calls: how they are called, and how they report failures.
//!
//! They run on threads that may block, never on the runtime's own threads. While one runs, its thread refuses
//! calls with a host, because such a call could wait for threads that wait for this function.

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::argument::{invalid, required};
use crate::border::enter;
use crate::{socialchannel_error, socialchannel_status};

thread_local! {
    /// Whether this thread runs a function of the embedding program.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// That function's explanation of its failure.
    static WHY: RefCell<Option<String>> = const { RefCell::new(None) };
}

pub(crate) fn is_inside() -> bool {
    INSIDE.get()
}

/// Runs one function of the program. Returns its result, and its explanation from socialchannel_explain.
pub(crate) fn inside<T>(function: impl FnOnce() -> T) -> (T, Option<String>) {
    WHY.set(None);
    let before = INSIDE.replace(true);
    let result = function();
    INSIDE.set(before);
    (result, WHY.take())
}

/// Explains what is wrong with the result of a program's function, in addition to the returned failure.
pub(crate) fn explain(why: &str) {
    WHY.set(Some(why.to_owned()));
}

/// The first argument of a table's functions, and the function that frees it.
pub(crate) struct Userdata {
    pointer: *mut c_void,
    finalize: Option<unsafe extern "C" fn(userdata: *mut c_void)>,
    /// The library owns it: opening succeeded.
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

/// Explains why a function of socialchannel_storage or socialchannel_http is about to return a failure: one sentence
/// for the operator, which becomes part of the error's message. It must not contain a token or a URL with its query.
/// The last explanation counts.
///
/// INVALID_ARGUMENT with code `not_in_callback`: this thread is not inside such a function.
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
