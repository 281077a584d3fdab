// SPDX-License-Identifier: Apache-2.0

/// An OpenAPI 3.1 or AsyncAPI 3.0 document, for checking what a running edge says against what is promised.
package struct ContractDocument: Sendable {
    package let root: JSONValue

    package init(yaml: String) throws {
        self.root = try JSONValue(yaml: yaml)
        guard self.root["components"] != nil else {
            throw ContractViolation(problems: ["the document has no components"])
        }
    }

    private var schema: JSONSchema { JSONSchema(document: self.root) }

    /// A method and the template of a path.
    package struct Operation: Hashable, Sendable, CustomStringConvertible {
        package var method: String
        package var path: String

        package init(method: String, path: String) {
            self.method = method
            self.path = path
        }

        package var description: String { "\(self.method) \(self.path)" }
    }

    private static let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"]

    /// All operations of an OpenAPI document.
    package var operations: Set<Operation> {
        var operations: Set<Operation> = []
        for (path, item) in self.root["paths"]?.object ?? [:] {
            for method in Self.methods where item[method] != nil {
                operations.insert(Operation(method: method.uppercased(), path: path))
            }
        }
        return operations
    }

    /// The statuses that an operation documents.
    package func statuses(of operation: Operation) -> Set<String> {
        let item = self.root["paths"]?[operation.path]?[operation.method.lowercased()]
        return Set(item?["responses"]?.object?.keys.map { $0 } ?? [])
    }

    /// A schema under `components/schemas`, or the payload of a message under `components/messages`.
    package func schema(named name: String) -> JSONValue? {
        self.root["components"]?["schemas"]?[name] ?? self.root["components"]?["messages"]?[name]?["payload"]
    }

    // MARK: - Checking

    /// - Throws: ``ContractViolation`` unless the text is JSON that fits the named schema.
    package func validate(json: some Collection<UInt8>, schema name: String) throws {
        guard let schema = self.schema(named: name) else {
            throw ContractViolation(problems: ["the document has no schema \(name)"])
        }
        try self.validate(try JSONValue(json: json), schema, at: name)
    }

    package func validate(json: String, schema name: String) throws {
        try self.validate(json: Array(json.utf8), schema: name)
    }

    /// Checks an answer of an edge.
    ///
    /// - Parameters:
    ///   - path: as it was asked for; a query is not part of it.
    /// - Throws: ``ContractViolation`` for an operation, status or media type that is not documented, or a body that
    ///   does not fit. 404 and 405 of what the document does not know are promised for the whole interface.
    package func validate(
        response status: Int,
        contentType: String?,
        body: some Collection<UInt8>,
        method: String,
        path: String
    ) throws {
        let name = "\(method) \(path) → \(status)"
        guard let operation = self.operation(method: method, path: path) else {
            guard status == 404 || status == 405 else {
                throw ContractViolation(problems: ["\(name): the document has no such operation"])
            }
            guard method != "HEAD" else { return }
            try self.validate(json: body, schema: "Problem")
            return
        }
        guard
            let documented = self.root["paths"]?[operation.path]?[operation.method.lowercased()]?["responses"]?[
                String(status)
            ]
        else { throw ContractViolation(problems: ["\(name): the status is not documented"]) }
        let response = documented["$ref"]?.string.flatMap(self.schema.resolve) ?? documented
        guard let content = response["content"]?.object, method != "HEAD" else {
            guard body.isEmpty else { throw ContractViolation(problems: ["\(name): there should be no body"]) }
            return
        }
        let mediaType = contentType?.prefix { $0 != ";" }.lowercased() ?? "nothing"
        guard let schema = content[mediaType]?["schema"] else {
            throw ContractViolation(problems: ["\(name): the media type \(mediaType) is not documented"])
        }
        guard mediaType.hasSuffix("json") else { return }
        let value = try JSONValue(json: body)
        try self.validate(value, schema, at: name)
        if mediaType == "application/problem+json", value["status"] != .integer(Int64(status)) {
            throw ContractViolation(problems: ["\(name): the problem has another status than the answer"])
        }
    }

    private func validate(_ value: JSONValue, _ schema: JSONValue, at path: String) throws {
        let problems = self.schema.problems(of: value, schema, at: path)
        guard problems.isEmpty else { throw ContractViolation(problems: problems) }
    }

    /// The operation that takes a path; one without parameters comes first.
    package func operation(method: String, path: String) -> Operation? {
        let given = path.prefix { $0 != "?" }.split(separator: "/")
        let asked = method == "HEAD" ? "GET" : method
        return self.operations
            .filter { operation in
                let expected = operation.path.split(separator: "/")
                return operation.method == asked && expected.count == given.count
                    && zip(expected, given).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
            }
            .min { $0.path.count(where: { $0 == "{" }) < $1.path.count(where: { $0 == "{" }) }
    }
}
