// SPDX-License-Identifier: Apache-2.0

import FuzzEntries
import Glibc

/// libFuzzer's loop as a function (`FuzzerDriver.cpp`, LLVM 12 and later): it parses the arguments, then calls back with
/// input after input.
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

/// The callback is a C function and can capture nothing.
private let target = FuzzTarget.all.first { $0.name == getenv("FUZZ_TARGET").map { String(cString: $0) } }

/// Fuzzes the target that the variable `FUZZ_TARGET` names, with libFuzzer's arguments; without it, lists the targets.
@main
enum Program {
    static func main() {
        guard target != nil else {
            for target in FuzzTarget.all { print(target.name, target.inputBytesMax) }
            return
        }
        var count = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        let status = runFuzzer(&count, &arguments) { start, count in
            do {
                try target?.run(Array(UnsafeBufferPointer(start: start, count: count)))
            } catch {
                fatalError("\(error)")
            }
            return 0
        }
        exit(status)
    }
}
