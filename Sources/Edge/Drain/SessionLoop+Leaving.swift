// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import NIOCore

extension SessionLoop {
    /// Asks so many open sessions that were not asked before to connect elsewhere. Returns how many it were.
    ///
    /// - Parameters:
    ///   - targets: one after the other, beginning with the one at `first`.
    func askToGo(_ count: Int, within window: TimeAmount, to targets: [String], from first: Int) -> EventLoopFuture<Int>
    {
        self.eventLoop.submit {
            var asked = 0
            // A copy: what a session writes may end it.
            for handler in Array(self.table.value.handlers.values) where asked < count {
                let place = targets.isEmpty ? nil : targets[(first &+ asked) % targets.count]
                if handler.askToGo(within: window, to: place) { asked += 1 }
            }
            return asked
        }
    }
}
