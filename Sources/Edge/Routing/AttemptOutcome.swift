// SPDX-License-Identifier: Apache-2.0

package import Mesh
package import Messaging
package import NIOCore
package import Wire

/// What became of sending a request to one router once.
package enum AttemptOutcome: Sendable, Equatable {
    /// The body of the response.
    case answered(ByteBuffer)
    /// The router's answer is a failure: it is the answer of the request.
    case failed(Failure)
    /// Another attempt may end better, and is safe: all requests may be sent again.
    case retry(mayHaveArrived: Bool)
    /// There is no time for another attempt.
    case expired(mayHaveArrived: Bool)
}

extension AttemptOutcome {
    /// Gives a meaning to what the mesh says; news that come with `moved` go to `adopt`.
    package init(_ result: Result<MeshResponse, MeshError>, adopting adopt: (RoutingNews) -> Void) {
        switch result {
        case .success(let response): self.init(response, adopting: adopt)
        case .failure(let error): self.init(error)
        }
    }

    private init(_ response: MeshResponse, adopting adopt: (RoutingNews) -> Void) {
        switch ResponseStatus(rawValue: response.status) {
        case .ok:
            self = .answered(response.payload)
        case .moved:
            // News that cannot be read are as good as none: the next attempt goes by what is known.
            if let news = try? RoutingNews(decoding: response.payload) { adopt(news) }
            self = .retry(mayHaveArrived: false)
        case .outOfOrder:
            self = .retry(mayHaveArrived: false)
        case .failed:
            let body = try? FailureBody(decoding: response.payload)
            self = .failed(body?.failure ?? .notUnderstood)
        case nil:
            self = .failed(.notUnderstood)
        }
    }

    private init(_ error: MeshError) {
        switch error.code {
        case .notConnected, .overloaded, .linkLost, .answerLost: self = .retry(mayHaveArrived: error.mayHaveArrived)
        case .deadlineExceeded, .shuttingDown: self = .expired(mayHaveArrived: error.mayHaveArrived)
        case .tooLarge: self = .failed(Failure(.tooLarge, "The request is larger than the cluster can carry."))
        }
    }
}

extension Failure {
    /// How long a client should wait when the cluster has no answer at the moment.
    package static let standardRetryMilliseconds: UInt32 = 1000

    static let notUnderstood = Failure(.internal, "A router answered something that this edge does not understand.")

    /// This failure as the answer to a request of which an earlier attempt may have been carried out: that nothing was done
    /// cannot be said then.
    package func after(mayHaveArrived: Bool) -> Failure {
        switch self.code {
        case .rateLimited, .overloaded, .unavailable:
            guard mayHaveArrived else { return self }
            return Failure(
                .outcomeUnknown,
                "An earlier attempt may have been carried out; the last one was refused: \(self.message)",
                retryAfterMilliseconds: self.retryAfterMilliseconds ?? Self.standardRetryMilliseconds
            )
        default:
            return self
        }
    }

    /// What a client is told when the time for a request is up.
    package static func outOfTime(mayHaveArrived: Bool) -> Failure {
        mayHaveArrived
            ? Failure(
                .outcomeUnknown,
                "There was no answer in time; whether it was done is not known. Send the same request again.",
                retryAfterMilliseconds: Self.standardRetryMilliseconds
            )
            : Failure(
                .unavailable,
                "The part of the cluster that is responsible cannot be reached; nothing was done.",
                retryAfterMilliseconds: Self.standardRetryMilliseconds
            )
    }
}
