//! A program's own storage: implements the library's [`KeyValueStore`] with a table of functions.

use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::sync::Arc;

use async_trait::async_trait;
use social_channel::{KeyValueStore, Result, STORED_VALUE, StorageError, StoredValue};

use crate::argument::{invalid, null};
use crate::callback::{Userdata, explain, inside};

/// The result of a function of socialchannel_storage.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "named as C names it")]
pub enum socialchannel_storage_result {
    /// Done.
    Done = 0,
    /// get_value: there is no such key.
    Absent = 1,
    /// set_value: the key does not have the required version. Nothing was written.
    Conflict = 2,
    /// set_value: the storage is full. Nothing was written.
    Full = 3,
    /// The storage is not available now; socialchannel_explain says why. Any other number means the same.
    Unavailable = 4,
}

/// A program's own storage, for socialchannel_host_open_with.
///
/// WHAT IT STORES: values that providers keep between calls, a few small ones per app (counters, tokens of an app, names
/// of servers). WHAT IT DOES NOT STORE: apps, channels with their credentials, publish jobs, leases, webhooks and
/// uploads stay in the host's database, because publishing at most once needs transactions over several rows, which a
/// key-value store cannot provide. So `data` (or `database`) is still needed.
///
/// Values arrive encrypted with the host's master key, bound to app and key, and are at most
/// SOCIALCHANNEL_STORAGE_VALUE_CAPACITY bytes long. All processes that open the same database must use the same storage.
///
/// THREADS. The functions are called on threads of the library, several at the same time, and may block; meanwhile one
/// call of a provider waits (its time limits still apply). They must not call the library, except socialchannel_explain
/// and the functions for errors; a call with a host is refused with code `called_from_callback`. They must return
/// normally: no longjmp, no C++ exception, no thread exit. Text is borrowed for the call. A key is UTF-8 of `key_len`
/// bytes (at most 512), which may contain a NUL; a terminating NUL follows it. A non-NULL pointer may be used as its
/// comment says.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "named as C names it")]
#[allow(clippy::type_complexity, reason = "the header spells its functions out")]
pub struct socialchannel_storage {
    /// sizeof(socialchannel_storage), so that later versions can add members.
    pub size: usize,
    /// Passed to every function; may be NULL.
    pub userdata: *mut c_void,
    /// Reads a value: writes at most `value_capacity` bytes to `value`, their number to `*value_len_out`, the version to
    /// `*version_out` and the stored expiry to `*expires_at_out`. Returns DONE, ABSENT (also for a value that
    /// has expired) or UNAVAILABLE.
    pub get_value: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            app: *const c_char,
            key: *const c_char,
            key_len: usize,
            value: *mut u8,
            value_capacity: usize,
            value_len_out: *mut usize,
            version_out: *mut u64,
            expires_at_out: *mut i64,
        ) -> u32,
    >,
    /// Stores a value, so that it outlives the process, and writes its new version to `*version_out`: never 0, and greater
    /// than every earlier version of this key, also of deleted values. If `if_version` is not NULL, it stores the value
    /// only if the key has the version `*if_version` now (0: only if it does not exist or has expired), atomically;
    /// otherwise CONFLICT. `expires_at`: milliseconds since 1970, after which the key no longer exists; 0: never.
    /// Returns DONE, CONFLICT, FULL or UNAVAILABLE.
    pub set_value: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            app: *const c_char,
            key: *const c_char,
            key_len: usize,
            value: *const u8,
            value_len: usize,
            if_version: *const u64,
            expires_at: i64,
            version_out: *mut u64,
        ) -> u32,
    >,
    /// Deletes a key. Returns DONE (also if it does not exist) or UNAVAILABLE.
    pub delete_value: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            app: *const c_char,
            key: *const c_char,
            key_len: usize,
        ) -> u32,
    >,
    /// Lists the app's keys that begin with `prefix` and come after `after` (NULL: all), in byte order, at most
    /// `limit`: calls `found(keys, key, key_len)` for each. Returns DONE or UNAVAILABLE.
    pub list_keys: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            app: *const c_char,
            prefix: *const c_char,
            prefix_len: usize,
            after: *const c_char,
            after_len: usize,
            limit: u32,
            found: Option<unsafe extern "C" fn(keys: *mut c_void, key: *const c_char, key_len: usize)>,
            keys: *mut c_void,
        ) -> u32,
    >,
    /// Called once, when the library no longer uses the table; may be NULL. This is when the host is freed and every
    /// function has returned: possibly shortly after socialchannel_host_free, on any thread. Not called if opening
    /// failed.
    pub finalize: Option<unsafe extern "C" fn(userdata: *mut c_void)>,
}

/// Constants for socialchannel_storage.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "named as C names it")]
pub enum socialchannel_storage_value {
    /// The longest value in bytes: 64 KiB and the overhead of encryption.
    Capacity = 65_792,
}

const _: () = assert!(socialchannel_storage_value::Capacity as usize == STORED_VALUE, "the header says so");

/// A checked table.
pub(crate) struct ProgramStorage(Arc<Table>);

struct Table {
    functions: socialchannel_storage,
    userdata: Userdata,
}

// SAFETY: as for [`Userdata`]; functions are code, which any thread may run.
unsafe impl Send for Table {}
// SAFETY: likewise.
unsafe impl Sync for Table {}

impl ProgramStorage {
    /// `table` is NULL or as the header demands. None: NULL.
    pub(crate) unsafe fn new(table: *const socialchannel_storage) -> Result<Option<Self>> {
        // SAFETY: passed on.
        let Some(functions) = (unsafe { checked("storage", table, |table| table.size) })? else {
            return Ok(None);
        };
        let missing = [
            ("storage.get_value", functions.get_value.is_none()),
            ("storage.set_value", functions.set_value.is_none()),
            ("storage.delete_value", functions.delete_value.is_none()),
            ("storage.list_keys", functions.list_keys.is_none()),
        ];
        if let Some((name, _)) = missing.into_iter().find(|(_, missing)| *missing) {
            return Err(null(name));
        }
        let userdata = Userdata::new(functions.userdata, functions.finalize);
        Ok(Some(ProgramStorage(Arc::new(Table { functions, userdata }))))
    }

    /// Transfers ownership: from now on the library frees the table.
    pub(crate) fn took_over(&self) -> impl FnOnce() + use<> {
        let table = Arc::clone(&self.0);
        move || table.userdata.take()
    }

    /// Runs a function of the table on a blocking thread.
    async fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        function: impl FnOnce(&socialchannel_storage, *mut c_void) -> (u32, T) + Send + 'static,
    ) -> Result<T, StorageError> {
        let table = Arc::clone(&self.0);
        let called =
            tokio::task::spawn_blocking(move || inside(|| function(&table.functions, table.userdata.get())));
        let gone = |_| StorageError::Unavailable("the host is being closed".to_owned());
        let ((result, value), why) = called.await.map_err(gone)?;
        match result {
            result if result == socialchannel_storage_result::Done as u32 => Ok(value),
            result if result == socialchannel_storage_result::Conflict as u32 => Err(StorageError::Conflict),
            result if result == socialchannel_storage_result::Full as u32 => Err(StorageError::LimitExceeded),
            result => Err(StorageError::Unavailable(match why {
                Some(why) => format!("{name}: {why}"),
                None => format!("{name} returned {result}"),
            })),
        }
    }
}

/// Copies a table, whose first member is its size.
///
/// `table` is NULL or points to a table, as the header demands.
pub(crate) unsafe fn checked<T: Copy>(
    name: &str,
    table: *const T,
    size: impl FnOnce(&T) -> usize,
) -> Result<Option<T>> {
    // SAFETY: NULL, or a table of this header or of a newer one, whose members are those of this one and more. An older
    // header is not there yet: this is the first.
    let Some(table) = (unsafe { table.as_ref() }) else { return Ok(None) };
    if size(table) < size_of::<T>() {
        return Err(invalid(name, "wrong_size", "does not say its size: set its member `size` to sizeof"));
    }
    Ok(Some(*table))
}

/// Text for C with a terminating NUL, which its length does not include.
struct Text(Vec<u8>);

impl Text {
    fn new(text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        Text(bytes)
    }

    fn pointer(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }

    fn length(&self) -> usize {
        self.0.len().saturating_sub(1)
    }
}

/// App names contain no NUL: they are checked when an app is created.
fn app_text(app: &str) -> CString {
    CString::new(app).unwrap_or_default()
}

const NO_FUNCTION: u32 = socialchannel_storage_result::Unavailable as u32;

/// Receives a key of a list.
unsafe extern "C" fn found(keys: *mut c_void, key: *const c_char, key_len: usize) {
    crate::border::enter_quietly((), || {
        // SAFETY: the program passes on what it was given, which lives while its function runs.
        let Some(keys) = (unsafe { keys.cast::<Vec<String>>().as_mut() }) else { return };
        // SAFETY: the header demands that many bytes.
        if let Ok(bytes) = unsafe { crate::argument::bytes("key", key.cast(), key_len) }
            && let Ok(key) = std::str::from_utf8(bytes)
        {
            keys.push(key.to_owned());
        }
    });
}

#[async_trait]
impl KeyValueStore for ProgramStorage {
    async fn get(&self, app: &str, key: &str) -> Result<Option<StoredValue>, StorageError> {
        let (app, key) = (app_text(app), Text::new(key));
        self.call("get_value", move |table, userdata| {
            let Some(get) = table.get_value else { return (NO_FUNCTION, None) };
            let mut value = vec![0; STORED_VALUE];
            let (mut length, mut version, mut expires_at) = (0, 0, 0);
            // SAFETY: every pointer lives until the function returns, and is as the header says.
            let result = unsafe {
                get(
                    userdata,
                    app.as_ptr(),
                    key.pointer(),
                    key.length(),
                    value.as_mut_ptr(),
                    value.len(),
                    &raw mut length,
                    &raw mut version,
                    &raw mut expires_at,
                )
            };
            if result == socialchannel_storage_result::Absent as u32 {
                return (socialchannel_storage_result::Done as u32, None);
            }
            if length > value.len() {
                explain("it wrote a larger *value_len_out than value_capacity");
                return (NO_FUNCTION, None);
            }
            value.truncate(length);
            let expires_at = (expires_at != 0).then_some(expires_at);
            (result, Some(StoredValue { value, version, expires_at }))
        })
        .await
    }

    async fn set(
        &self,
        app: &str,
        key: &str,
        value: &[u8],
        if_version: Option<u64>,
        expires_at: Option<i64>,
    ) -> Result<u64, StorageError> {
        let (app, key, value) = (app_text(app), Text::new(key), value.to_vec());
        self.call("set_value", move |table, userdata| {
            let Some(set) = table.set_value else { return (NO_FUNCTION, 0) };
            let mut version = 0;
            // SAFETY: every pointer lives until the function returns, and is as the header says.
            let result = unsafe {
                set(
                    userdata,
                    app.as_ptr(),
                    key.pointer(),
                    key.length(),
                    value.as_ptr(),
                    value.len(),
                    if_version.as_ref().map_or(ptr::null(), ptr::from_ref),
                    expires_at.unwrap_or(0),
                    &raw mut version,
                )
            };
            (result, version)
        })
        .await
    }

    async fn delete(&self, app: &str, key: &str) -> Result<(), StorageError> {
        let (app, key) = (app_text(app), Text::new(key));
        self.call("delete_value", move |table, userdata| {
            let Some(delete) = table.delete_value else { return (NO_FUNCTION, ()) };
            // SAFETY: every pointer lives until the function returns, and is as the header says.
            (unsafe { delete(userdata, app.as_ptr(), key.pointer(), key.length()) }, ())
        })
        .await
    }

    async fn list_keys(
        &self,
        app: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StorageError> {
        let (app, prefix, after) = (app_text(app), Text::new(prefix), after.map(Text::new));
        self.call("list_keys", move |table, userdata| {
            let Some(list) = table.list_keys else { return (NO_FUNCTION, Vec::new()) };
            let mut keys: Vec<String> = Vec::new();
            // SAFETY: every pointer lives until the function returns, and is as the header says.
            let result = unsafe {
                list(
                    userdata,
                    app.as_ptr(),
                    prefix.pointer(),
                    prefix.length(),
                    after.as_ref().map_or(ptr::null(), Text::pointer),
                    after.as_ref().map_or(0, Text::length),
                    limit,
                    Some(found),
                    (&raw mut keys).cast(),
                )
            };
            (result, keys)
        })
        .await
    }
}
