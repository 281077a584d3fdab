// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc

/// SIGTERM and SIGINT as calls: the first asks for a clean stop, the second ends the process at once.
///
/// The signals are ignored and watched by Dispatch, so no code of ours runs inside of a signal handler. SIGPIPE is ignored
/// as well: a closed connection is an error of the write that met it.
///
/// A signal right after the first one counts as the same: `timeout` and terminals send one to the process and one to its
/// group, for one wish of one person.
package final class StopSignals: Sendable {
    private static let echoTime: Duration = .milliseconds(250)

    /// Set before `init` returns and used again in `deinit` only, so that no two threads ever meet there.
    nonisolated(unsafe) private let sources: [any DispatchSourceSignal]

    /// - Parameter onFirst: Called once, on a Dispatch thread, with the number of the first signal; must not block.
    package init(onFirst: @escaping @Sendable (Int32) -> Void) {
        signal(SIGPIPE, SIG_IGN)
        let queue = DispatchQueue(label: "trunkline.signals")
        let first = OneShot<ContinuousClock.Instant>()
        self.sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                let now = ContinuousClock.now
                if first.set(now) {
                    onFirst(number)
                } else if let begun = first.value, now - begun > Self.echoTime {
                    // The shell's way of saying which signal ended a process.
                    _exit(128 + number)
                }
            }
            source.resume()
            return source
        }
    }

    deinit {
        for source in self.sources {
            source.cancel()
        }
    }
}
