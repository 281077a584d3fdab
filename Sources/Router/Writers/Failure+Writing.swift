// SPDX-License-Identifier: Apache-2.0

import Messaging
import Storage

/// What a client is told when a writer could not do something; the details are for the log.
extension Failure {
    static let noView = Failure(
        .unavailable,
        "This part of the cluster is not ready; nothing was accepted.",
        retryAfterMilliseconds: 500
    )
    static let writerTooLate = Failure(
        .unavailable,
        "The cluster is too busy; nothing was accepted.",
        retryAfterMilliseconds: 1000
    )
    static let writeOfUnknownOutcome = Failure(
        .outcomeUnknown,
        "The database went away while it stored this; send it again with the same id to learn the outcome.",
        retryAfterMilliseconds: 500
    )

    init(_ error: StorageError) {
        switch error.code {
        case .unavailable, .staleEpoch, .wrongDatabase, .busy:
            self.init(
                .unavailable,
                "The database of this part of the cluster is away; nothing was accepted.",
                retryAfterMilliseconds: 500
            )
        case .diskFull:
            self.init(
                .unavailable,
                "The database of this part of the cluster is full; nothing was accepted.",
                retryAfterMilliseconds: 5000
            )
        case .outcomeUnknown:
            self.init(
                .outcomeUnknown,
                "The database went away during this; it may have been done or not. The same request may be sent again.",
                retryAfterMilliseconds: 500
            )
        case .internal:
            self.init(.internal, "The cluster could not do this; the operator finds the reason in the router's log.")
        }
    }
}
