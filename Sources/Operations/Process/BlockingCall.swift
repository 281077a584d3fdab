// SPDX-License-Identifier: Apache-2.0

import Threads

/// Carries out a call that blocks on a thread of its own, so that no thread of Swift's pool waits in it.
///
/// - Returns: Nil when the system refuses one more thread.
func onOwnThread<Value: Sendable>(
    named name: String,
    _ body: @escaping @Sendable () -> Value
) async -> Value? {
    await withCheckedContinuation { continuation in
        let thread = PlainThread(name: name) { continuation.resume(returning: body()) }
        if thread == nil {
            continuation.resume(returning: nil)
        }
    }
}
