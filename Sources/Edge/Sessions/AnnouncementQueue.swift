// SPDX-License-Identifier: Apache-2.0

internal import Messaging
internal import Wire

/// The announcements that some router has not been given yet. Pure.
///
/// Every router gets all announcements in their order: one that cannot take any now keeps its later ones waiting too.
/// Bounded by the sessions of the edge, each of which waits here at most twice.
struct AnnouncementQueue {
    private struct Batch {
        var attachment: Attachment
        var routers: Set<String>
        var completions: [@Sendable () -> Void]
    }

    private var batches: [Batch] = []

    var isEmpty: Bool { self.batches.isEmpty }

    /// - Parameter completions: handed back when every router of the batch has it, or has no link any more.
    mutating func append(
        _ attachment: Attachment,
        to routers: Set<String>,
        completions: [@Sendable () -> Void]
    ) {
        self.batches.append(Batch(attachment: attachment, routers: routers, completions: completions))
    }

    enum Outcome {
        case taken
        /// Later, please.
        case full
    }

    /// Offers what waits. Returns the completions that are due.
    mutating func offer(_ send: (Attachment, _ router: String) -> Outcome) -> [@Sendable () -> Void] {
        var full: Set<String> = []
        var due: [@Sendable () -> Void] = []
        for place in self.batches.indices {
            for router in self.batches[place].routers where !full.contains(router) {
                switch send(self.batches[place].attachment, router) {
                case .taken: self.batches[place].routers.remove(router)
                case .full: full.insert(router)
                }
            }
            if self.batches[place].routers.isEmpty {
                due += self.batches[place].completions
            }
        }
        self.batches.removeAll { $0.routers.isEmpty }
        return due
    }
}
