//! Components that somebody made to be expensive for anyone who compiles them.
//!
//! Each is a real provider with one more module that it never uses, so that only its cost is wrong.

use wasm_encoder::{
    BlockType, CodeSection, Encode as _, Function, FunctionSection, Instruction, Module, TypeSection, ValType,
};

/// The section of a component that is a module.
const MODULE: u8 = 1;

/// Nearly a million functions in four megabytes.
#[must_use]
pub fn many_functions(provider: &[u8]) -> Vec<u8> {
    with_module(provider, 990_000, &Function::new([]))
}

/// Sixty thousand loops inside each other.
#[must_use]
pub fn nested_loops(provider: &[u8]) -> Vec<u8> {
    let mut function = Function::new([]);
    for _ in 0..60_000 {
        function.instruction(&Instruction::Loop(BlockType::Empty));
    }
    for _ in 0..60_000 {
        function.instruction(&Instruction::End);
    }
    with_module(provider, 1, &function)
}

/// Within every limit of structure: functions with `variables` that are all alive in each of `blocks`.
#[must_use]
pub fn tangled(provider: &[u8], functions: u32, variables: u32, blocks: u32) -> Vec<u8> {
    let mut function = Function::new([(variables, ValType::I32)]);
    for block in 0..blocks {
        let (one, two) = (block % variables, (block * 7 + 3) % variables);
        for instruction in [
            Instruction::Block(BlockType::Empty),
            Instruction::LocalGet(one),
            Instruction::BrIf(0),
            Instruction::LocalGet(one),
            Instruction::LocalGet(two),
            Instruction::I32Mul,
            Instruction::LocalSet(two),
            Instruction::End,
        ] {
            function.instruction(&instruction);
        }
    }
    // What keeps all of them alive until here.
    for variable in 0..variables {
        function.instruction(&Instruction::LocalGet(variable)).instruction(&Instruction::Drop);
    }
    with_module(provider, functions, &function)
}

fn with_module(provider: &[u8], functions: u32, function: &Function) -> Vec<u8> {
    let (mut types, mut declared, mut code) =
        (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([], []);
    let mut ended = function.clone();
    ended.instruction(&Instruction::End);
    for _ in 0..functions {
        declared.function(0);
        code.function(&ended);
    }
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&code);
    let mut component = provider.to_vec();
    component.push(MODULE);
    module.finish().encode(&mut component);
    component
}
