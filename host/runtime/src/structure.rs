//! Limits on a component's structure, checked before it is compiled.
//!
//! Compiling costs more than a file's size suggests: memory grows with the number of functions, and time with the square
//! of what is nested or alive in one function. Honest compilers stay far below these limits; beside each is what a
//! component with all of CPython has, the largest that is known.

use wasmparser::{BinaryReaderError, FunctionBody, Operator, Parser, Payload};

use crate::error::{Error, ErrorKind, Result};

/// Functions of all modules together. CPython: 13,586.
const FUNCTIONS: u64 = 100_000;
/// Bytes of code of all modules together; compiling takes about sixty times as much memory. CPython: 6.3 MiB.
const CODE: u64 = 32 << 20;
/// Bytes of one function. CPython: 417 KiB.
const FUNCTION: u64 = 2 << 20;
/// Blocks around one instruction; a `switch` makes one for each of its cases. CPython: 781.
const DEPTH: u64 = 4_000;
/// Loops around one instruction. CPython: 6.
const LOOPS: u64 = 100;
/// Variables of one function, of which each block may need all. CPython: 271.
const LOCALS: u64 = 2_000;
/// Variables times blocks of one function: a compiler may have to know each variable in each block. CPython: 67,479.
const LIVENESS: u64 = 2_000_000;
/// Modules and components inside each other or side by side. CPython: 16.
const MODULES: u64 = 1_000;

/// What a component is made of: sums, and the largest of its functions.
#[derive(Debug, Default, PartialEq, Eq)]
struct Structure {
    functions: u64,
    code: u64,
    function: u64,
    depth: u64,
    loops: u64,
    locals: u64,
    liveness: u64,
    modules: u64,
}

/// Refuses a component that would cost more to compile than any provider does.
///
/// # Errors
/// `LimitExceeded` that names the limit, `LoadFailed` if the file is damaged.
pub(crate) fn check(component: &[u8]) -> Result<()> {
    let mut structure = Structure::default();
    for payload in Parser::new(0).parse_all(component) {
        structure.add(payload.map_err(damaged)?).map_err(damaged)?;
        // At once, so that looking costs no more than the limits allow.
        structure.within_limits()?;
    }
    Ok(())
}

impl Structure {
    fn add(&mut self, payload: Payload<'_>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => self.modules += 1,
            Payload::FunctionSection(functions) => self.functions += u64::from(functions.count()),
            Payload::CodeSectionEntry(body) => self.add_function(&body)?,
            _ => {}
        }
        Ok(())
    }

    fn add_function(&mut self, body: &FunctionBody<'_>) -> Result<(), BinaryReaderError> {
        let bytes = body.range().len() as u64;
        self.code += bytes;
        self.function = self.function.max(bytes);
        if bytes > FUNCTION {
            return Ok(());
        }
        let mut locals = 0;
        for group in body.get_locals_reader()? {
            locals += u64::from(group?.0);
        }
        self.locals = self.locals.max(locals);
        // Whether each open block is a loop.
        let (mut open, mut loops, mut blocks) = (Vec::new(), 0, 0);
        for operator in body.get_operators_reader()? {
            let begins_loop = match operator? {
                Operator::Loop { .. } => true,
                Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => false,
                Operator::End => {
                    loops -= u64::from(open.pop() == Some(true));
                    continue;
                }
                _ => continue,
            };
            open.push(begins_loop);
            blocks += 1;
            loops += u64::from(begins_loop);
            self.depth = self.depth.max(open.len() as u64);
            self.loops = self.loops.max(loops);
        }
        self.liveness = self.liveness.max(locals * blocks);
        Ok(())
    }

    fn within_limits(&self) -> Result<()> {
        let limits = [
            (self.functions, FUNCTIONS, "functions"),
            (self.code, CODE, "bytes of code"),
            (self.function, FUNCTION, "bytes in one function"),
            (self.depth, DEPTH, "blocks inside each other"),
            (self.loops, LOOPS, "loops inside each other"),
            (self.locals, LOCALS, "variables in one function"),
            (self.liveness, LIVENESS, "variables times blocks in one function"),
            (self.modules, MODULES, "modules"),
        ];
        match limits.into_iter().find(|(has, most, _)| has > most) {
            None => Ok(()),
            Some((has, most, what)) => Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("the component has {has} or more {what}, and a provider has at most {most}"),
            )
            .with_remedy(
                "Build the provider with an ordinary compiler and fewer libraries; if it was, tell us.",
            )),
        }
    }
}

fn damaged(error: BinaryReaderError) -> Error {
    Error::new(ErrorKind::LoadFailed, "the file is not a provider: it is damaged")
        .with_remedy("Copy or download it again.")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        BlockType, CodeSection, Component, Function, FunctionSection, Instruction, Module, ModuleSection,
        TypeSection, ValType,
    };

    use super::*;

    /// Makes a component that has so many of something.
    type Made<'a> = dyn Fn(u64) -> Vec<u8> + 'a;

    /// A component with one module of equal functions.
    fn component(functions: u64, function: &Function) -> Vec<u8> {
        let (mut types, mut declared, mut code) =
            (TypeSection::new(), FunctionSection::new(), CodeSection::new());
        types.ty().function([], []);
        for _ in 0..functions {
            declared.function(0);
            code.function(function);
        }
        let mut module = Module::new();
        module.section(&types).section(&declared).section(&code);
        let mut component = Component::new();
        component.section(&ModuleSection(&module));
        component.finish()
    }

    fn function(locals: u64, body: &[(u64, Instruction<'_>)]) -> Function {
        let mut function = Function::new([(u32::try_from(locals).unwrap(), ValType::I32)]);
        for (times, instruction) in body {
            for _ in 0..*times {
                function.instruction(instruction);
            }
        }
        function.instruction(&Instruction::End);
        function
    }

    fn nested(times: u64, kind: Instruction<'_>) -> Function {
        function(0, &[(times, kind), (times, Instruction::End)])
    }

    fn modules(times: u64) -> Vec<u8> {
        let mut component = Component::new();
        for _ in 0..times {
            component.section(&ModuleSection(&Module::new()));
        }
        component.finish()
    }

    #[test]
    fn what_is_at_a_limit_passes_and_what_is_beyond_is_named() {
        let block = || Instruction::Block(BlockType::Empty);
        let in_loop = || Instruction::Loop(BlockType::Empty);
        // The function's count of locals, and its end, take five bytes; nothing else does.
        let long = |bytes| component(1, &function(0, &[(bytes - 4, Instruction::Nop)]));
        let rows: [(&str, u64, &Made); 6] = [
            ("functions", FUNCTIONS, &|count| component(count, &function(0, &[]))),
            ("bytes in one function", FUNCTION, &long),
            ("blocks inside each other", DEPTH, &|depth| component(1, &nested(depth, block()))),
            ("loops inside each other", LOOPS, &|depth| component(1, &nested(depth, in_loop()))),
            ("variables in one function", LOCALS, &|count| component(1, &function(count, &[]))),
            ("modules", MODULES, &modules),
        ];
        for (what, most, made) in rows {
            check(&made(most)).unwrap_or_else(|error| panic!("{what}: {error}"));
            let error = check(&made(most + 1)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::LimitExceeded, "{what}: {error}");
            assert!(error.message.contains(what) && error.message.contains(&most.to_string()), "{error}");
            assert!(error.remedy.is_some());
        }
        let tangled = |blocks| {
            let body = [(blocks, block()), (blocks, Instruction::End)];
            component(1, &function(LOCALS, &body))
        };
        check(&tangled(LIVENESS / LOCALS)).unwrap();
        let error = check(&tangled(LIVENESS / LOCALS + 1)).unwrap_err();
        assert!(error.message.contains("variables times blocks"), "{error}");
        let error = check(&component(20, &function(0, &[(2_000_000, Instruction::Nop)]))).unwrap_err();
        assert!(error.message.contains("bytes of code"), "{error}");
    }

    #[test]
    fn sums_are_over_all_modules_and_the_rest_is_of_one_function() {
        let mut one = Structure::default();
        let bytes = component(3, &nested(50, Instruction::Loop(BlockType::Empty)));
        let mut outer = Component::new();
        outer.section(&wasm_encoder::RawSection { id: 4, data: &bytes });
        outer.section(&wasm_encoder::RawSection { id: 4, data: &bytes });
        for payload in Parser::new(0).parse_all(&outer.finish()) {
            one.add(payload.unwrap()).unwrap();
        }
        assert_eq!((one.functions, one.loops, one.depth, one.modules), (6, 50, 50, 4));
    }
}
