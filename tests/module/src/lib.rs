//! A proxy in memory that runs a compiled filter module (proxy-wasm ABI 0.2.1)
//! and counts each call that crosses the boundary. What it does not know it
//! answers with *unimplemented*, so a filter that starts to need more is seen.

mod abi;
mod proxy;

use std::collections::BTreeMap;
use std::fmt;

use wasmi::{Config, Engine, ExternType, Func, Instance, Linker, Module as Code, Store, Val};

pub use proxy::{Branch, Call, Headers, Proxy, Reply, Run, Ways};

/// The root context that a module has from the start; streams and further roots are
/// numbered from there on.
pub const ROOT: i32 = 1;

/// The import that a watched module calls first in each of its functions, with the
/// function's number; see [`Proxy::take_entered`].
pub const ENTER: &str = "postern_enter";

/// The import through which a watched module passes the condition of each of its
/// branches, with the function's number and the branch's in the function; it answers
/// the condition. See [`Proxy::take_branches`].
pub const BRANCH: &str = "postern_branch";

/// The import that a counted module calls at the start of each straight run of its
/// instructions, with the function's number, where in the module's code it begins, how many bytes it has and how many
/// instructions; see [`Proxy::take_counted`].
pub const COUNT: &str = "postern_count";

/// A loaded module with its root context.
pub struct Module {
    store: Store<Proxy>,
    instance: Instance,
    next_context: i32,
}

/// More than any event takes.
const FUEL: u64 = 1 << 62;

/// Why a module could not be used.
#[derive(Debug)]
pub struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

impl From<wasmi::Error> for Broken {
    fn from(error: wasmi::Error) -> Self {
        Broken(error.to_string())
    }
}

/// What a module did in one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Did it ask the proxy to pause?
    pub paused: bool,
    /// Calls into the proxy, by the ABI's names.
    pub crossings: BTreeMap<String, u32>,
}

impl Module {
    /// Loads a module and starts its VM.
    ///
    /// # Errors
    /// When it is no module of this ABI or traps at the start.
    pub fn load(wasm: &[u8], plugin: &str, environment: &[(&str, &str)]) -> Result<Self, Broken> {
        let engine = Engine::default();
        let store = Store::new(&engine, Proxy::new(plugin, environment));
        Module::start(wasm, store)
    }

    /// The same, and what it runs is measured: see [`Module::take_ran`].
    ///
    /// # Errors
    /// When it is no module of this ABI or traps at the start.
    pub fn load_measured(wasm: &[u8], plugin: &str) -> Result<Self, Broken> {
        let mut config = Config::default();
        config.consume_fuel(true);
        let mut store = Store::new(&Engine::new(&config), Proxy::new(plugin, &[]));
        store.set_fuel(FUEL)?;
        Module::start(wasm, store)
    }

    /// How much it ran since this was last asked: about its instructions, and more for
    /// those that copy or fill memory, by how much. Of one that is not measured 0.
    pub fn take_ran(&mut self) -> u64 {
        let left = self.store.get_fuel().unwrap_or(FUEL);
        // It cannot fail once the first time has not.
        let _ = self.store.set_fuel(FUEL);
        FUEL.saturating_sub(left)
    }

    fn start(wasm: &[u8], mut store: Store<Proxy>) -> Result<Self, Broken> {
        let engine = store.engine().clone();
        let code = Code::new(&engine, wasm)?;
        let mut linker = Linker::new(&engine);
        for import in code.imports() {
            let ExternType::Func(signature) = import.ty() else {
                return Err(Broken(format!("`{}` is no function", import.name())));
            };
            let name = import.name().to_owned();
            linker
                .func_new(
                    import.module(),
                    import.name(),
                    signature.clone(),
                    move |caller, arguments, results| abi::call(caller, &name, arguments, results),
                )
                .map_err(|e| Broken(e.to_string()))?;
        }
        let instance = linker.instantiate_and_start(&mut store, &code)?;
        let mut module = Module { store, instance, next_context: ROOT + 1 };
        module.call("_initialize", &[])?;
        module.create_root(ROOT)?;
        module.call("proxy_on_vm_start", &[ROOT, 0])?;
        Ok(module)
    }

    /// Makes a root context of that number.
    ///
    /// # Errors
    /// When the module traps.
    pub fn create_root(&mut self, root: i32) -> Result<(), Broken> {
        self.next_context = self.next_context.max(root + 1);
        self.call("proxy_on_context_create", &[root, 0]).map(drop)
    }

    /// Gives the plugin its configuration; does it take it?
    ///
    /// # Errors
    /// When it traps.
    pub fn configure(&mut self, rendered: &str) -> Result<bool, Broken> {
        self.configure_root(ROOT, rendered)
    }

    /// Gives a root context its configuration; does it take it?
    ///
    /// # Errors
    /// When it traps.
    pub fn configure_root(&mut self, root: i32, rendered: &str) -> Result<bool, Broken> {
        self.proxy().configuration = rendered.as_bytes().to_vec();
        let size = i32::try_from(rendered.len()).unwrap_or(i32::MAX);
        Ok(self.call("proxy_on_configure", &[root, size])? == Some(1))
    }

    /// Lets a root context do what there is to do beside the streams.
    ///
    /// # Errors
    /// When the module traps.
    pub fn tick(&mut self, root: i32) -> Result<Event, Broken> {
        self.proxy().crossings.clear();
        self.call("proxy_on_tick", &[root])?;
        Ok(self.event(false))
    }

    /// The module's linear memory, in bytes. It never shrinks.
    #[must_use]
    pub fn memory(&self) -> usize {
        let memory = self.instance.get_memory(&self.store, "memory");
        memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    /// Brings the answer to a question.
    ///
    /// # Errors
    /// When the module traps.
    pub fn call_answer(
        &mut self,
        root: i32,
        token: u32,
        headers: Headers,
        body: &[u8],
    ) -> Result<Event, Broken> {
        self.proxy().crossings.clear();
        let size = |size: usize| i32::try_from(size).unwrap_or(i32::MAX);
        let arguments = [root, token.cast_signed(), size(headers.len()), size(body.len()), 0];
        self.proxy().call_answer = Some((headers, body.to_vec()));
        self.call("proxy_on_http_call_response", &arguments)?;
        self.proxy().call_answer = None;
        Ok(self.event(false))
    }

    /// The proxy's side: messages, states, log.
    pub fn proxy(&mut self) -> &mut Proxy {
        self.store.data_mut()
    }

    /// Begins a stream.
    ///
    /// # Errors
    /// When the module traps.
    pub fn stream(&mut self) -> Result<i32, Broken> {
        self.stream_of(ROOT)
    }

    /// Begins a stream of a root context.
    ///
    /// # Errors
    /// When the module traps.
    pub fn stream_of(&mut self, root: i32) -> Result<i32, Broken> {
        let context = self.next_context;
        self.next_context += 1;
        self.call("proxy_on_context_create", &[context, root])?;
        Ok(context)
    }

    /// Ends a stream, or a root context.
    ///
    /// # Errors
    /// When the module traps.
    pub fn end(&mut self, context: i32) -> Result<Event, Broken> {
        self.proxy().crossings.clear();
        for event in ["proxy_on_done", "proxy_on_log", "proxy_on_delete"] {
            self.call(event, &[context])?;
        }
        Ok(self.event(false))
    }

    /// What happened since the last event.
    fn event(&mut self, paused: bool) -> Event {
        let crossings = std::mem::take(&mut self.proxy().crossings);
        Event { paused, crossings }
    }

    /// Shows the module the headers of the request.
    ///
    /// # Errors
    /// When it traps.
    pub fn request_headers(
        &mut self,
        stream: i32,
        headers: Headers,
        end: bool,
    ) -> Result<Event, Broken> {
        let count = headers.len();
        self.proxy().request = headers;
        self.headers_event("proxy_on_request_headers", stream, count, end)
    }

    /// Shows the module the request's body, whole.
    ///
    /// # Errors
    /// When it traps.
    pub fn request_body(&mut self, stream: i32, body: &[u8]) -> Result<Event, Broken> {
        self.proxy().request_body = body.to_vec();
        self.headers_event("proxy_on_request_body", stream, body.len(), true)
    }

    /// Shows the module the headers of the response.
    ///
    /// # Errors
    /// When it traps.
    pub fn response_headers(
        &mut self,
        stream: i32,
        headers: Headers,
        end: bool,
    ) -> Result<Event, Broken> {
        let count = headers.len();
        self.proxy().response = headers;
        self.headers_event("proxy_on_response_headers", stream, count, end)
    }

    /// Shows the module the response's body, whole.
    ///
    /// # Errors
    /// When it traps.
    pub fn response_body(&mut self, stream: i32, body: &[u8]) -> Result<Event, Broken> {
        self.proxy().response_body = body.to_vec();
        self.headers_event("proxy_on_response_body", stream, body.len(), true)
    }

    /// Shows the module the response's body and, behind its last part, its trailers.
    ///
    /// # Errors
    /// When it traps.
    pub fn response_ending(
        &mut self,
        stream: i32,
        body: &[u8],
        trailers: Headers,
    ) -> Result<Event, Broken> {
        let count = i32::try_from(trailers.len()).unwrap_or(i32::MAX);
        self.proxy().response_body = body.to_vec();
        self.headers_event("proxy_on_response_body", stream, body.len(), false)?;
        self.proxy().response_trailers = trailers;
        let action = self.call("proxy_on_response_trailers", &[stream, count])?;
        Ok(self.event(action == Some(1)))
    }

    fn headers_event(
        &mut self,
        event: &str,
        stream: i32,
        size: usize,
        end: bool,
    ) -> Result<Event, Broken> {
        self.proxy().crossings.clear();
        let size = i32::try_from(size).unwrap_or(i32::MAX);
        let action = self.call(event, &[stream, size, i32::from(end)])?;
        Ok(self.event(action == Some(1)))
    }

    /// Calls an export; those that a module leaves out answer nothing.
    fn call(&mut self, name: &str, arguments: &[i32]) -> Result<Option<i32>, Broken> {
        let Some(function) = self.instance.get_func(&self.store, name) else { return Ok(None) };
        let returns = self.returns(&function);
        let arguments: Vec<Val> = arguments.iter().copied().map(Val::I32).collect();
        let mut results = vec![Val::I32(0); returns];
        function
            .call(&mut self.store, &arguments, &mut results)
            .map_err(|e| Broken(format!("{name} trapped: {e}")))?;
        Ok(results.first().and_then(Val::i32))
    }

    fn returns(&self, function: &Func) -> usize {
        function.ty(&self.store).results().len()
    }
}
