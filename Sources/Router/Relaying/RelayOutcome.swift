// SPDX-License-Identifier: Apache-2.0

import Mesh
import Wire

/// What became of something that another router was asked to pass on.
package enum RelayOutcome: Sendable {
    /// It is on the links, but for what the answer names.
    case passedOn(RelayAnswer)
    /// Nothing of it was passed on, nor will be.
    case refused
    /// Nobody can tell: the link was lost, or no answer came in time.
    case unknown

    package init(_ result: Result<MeshResponse, MeshError>) {
        switch result {
        case .success(let response) where response.status == ResponseStatus.ok.rawValue:
            let answer = try? RelayAnswer(decoding: response.payload)
            self = answer.map { .passedOn($0) } ?? .unknown
        case .success: self = .refused
        case .failure(let error): self = error.mayHaveArrived ? .unknown : .refused
        }
    }
}
