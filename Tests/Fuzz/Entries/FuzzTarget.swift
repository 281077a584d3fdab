// SPDX-License-Identifier: Apache-2.0

/// A piece of the product that takes bytes of somebody else's making, with the properties that must hold for all of them.
package struct FuzzTarget: Sendable {
    /// Also the name of its folder in the corpus.
    package let name: String
    /// Inputs may be longer, but finding more than with this many bytes is not to be expected.
    package let inputBytesMax: Int
    /// Feeds one input.
    ///
    /// Synchronous, on the calling thread, and the same for the same input. A trap of the product ends the process.
    ///
    /// - Throws: ``PropertyViolation``.
    package let run: @Sendable ([UInt8]) throws -> Void

    package static let all = [
        FuzzTarget(name: "blocks", inputBytesMax: 4096, run: BlocksEntry.run),
        FuzzTarget(name: "bodies", inputBytesMax: 2048, run: BodiesEntry.run),
        FuzzTarget(name: "lanes", inputBytesMax: 2048, run: LanesEntry.run),
        FuzzTarget(name: "websocket", inputBytesMax: 4096, run: WebSocketEntry.run),
        FuzzTarget(name: "json", inputBytesMax: 2048, run: JSONEntry.run),
        FuzzTarget(name: "binary", inputBytesMax: 2048, run: BinaryEntry.run),
        FuzzTarget(name: "rest", inputBytesMax: 2048, run: RESTEntry.run),
        FuzzTarget(name: "http", inputBytesMax: 4096, run: HTTPEntry.run),
        FuzzTarget(name: "configuration", inputBytesMax: 4096, run: ConfigurationEntry.run),
    ]
}

/// What an entry point found that must never be so.
package struct PropertyViolation: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Throws when the condition does not hold.
func require(_ condition: Bool, _ description: @autoclosure () -> String) throws(PropertyViolation) {
    guard condition else { throw PropertyViolation(description()) }
}
