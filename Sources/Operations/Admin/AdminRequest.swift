// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation
import Hummingbird
import HummingbirdCore
import NIOCore

/// One request to the admin interface, with what its path names taken apart.
struct AdminRequest {
    /// Bytes of a request's body.
    static let bodyBytesMax = 16 << 10

    private let request: Request
    private let parameters: [String: String]

    /// - Parameter verb: says which words of the path name something.
    init(_ request: Request, _ context: BasicRequestContext, _ verb: OperatorVerb) {
        self.request = request
        let named = verb.answerer.parameters.compactMap { name -> (String, String)? in
            guard let text = context.parameters.get(name.lowercased()) else { return nil }
            // The router leaves it as it came.
            return (name, text.removingPercentEncoding ?? text)
        }
        self.parameters = Dictionary(named) { first, _ in first }
    }

    /// What the path names, by its word in capitals.
    func named(_ parameter: String) -> String {
        self.parameters[parameter] ?? ""
    }

    /// The name of a node in the path.
    func node() throws(OperationsError) -> String {
        let name = self.named("NODE")
        guard ClusterSettings.isName(name) else {
            throw OperationsError(
                "\"\(name.prefix(64))\" is not the name of a node",
                remedy: "GET /admin/nodes lists them",
                kind: .invalid
            )
        }
        return name
    }

    /// An option of the query; nil when it is not there.
    func option(_ option: OperatorOption) -> String? {
        option.parameter.flatMap { self.request.uri.queryParameters.get($0) }
    }

    /// - Throws: when the query has something that the verb does not take: a misspelt option must not be passed over.
    func checkQuery(of verb: OperatorVerb) throws(OperationsError) {
        let known = verb.options.compactMap(\.parameter)
        for (name, _) in self.request.uri.queryParameters where !known.contains(String(name)) {
            throw OperationsError(
                "\"\(name.prefix(64))\" is no option of this",
                remedy: known.isEmpty ? "it takes none" : "it takes \(known.joined(separator: ", "))",
                kind: .invalid
            )
        }
    }

    /// The same of one that is true or false; `?back` alone is true.
    func flag(_ option: OperatorOption) throws(OperationsError) -> Bool {
        switch self.option(option) {
        case nil, "false"?: return false
        case ""?, "true"?: return true
        case let value?:
            throw OperationsError(
                "\(option.parameter ?? "it") is \"\(value.prefix(64))\"",
                remedy: "it is true or false",
                kind: .invalid
            )
        }
    }

    /// The same of a whole number.
    func number(
        _ option: OperatorOption,
        _ bounds: ClosedRange<Int>,
        otherwise standard: Int
    ) throws(OperationsError) -> Int {
        guard let text = self.option(option) else { return standard }
        guard let number = Int(text), bounds.contains(number) else {
            throw OperationsError(
                "\(option.parameter ?? "it") is \"\(text.prefix(64))\"",
                remedy: "it is \(bounds.lowerBound) to \(bounds.upperBound)",
                kind: .invalid
            )
        }
        return number
    }

    func body() async throws(AdminProblem) -> [UInt8] {
        do {
            return Array(try await self.request.body.collect(upTo: Self.bodyBytesMax).readableBytesView)
        } catch {
            throw AdminProblem(.contentTooLarge, "The body has more than \(Self.bodyBytesMax) bytes.")
        }
    }
}
