// SPDX-License-Identifier: Apache-2.0

/// Where a value or an answer is not what the contract says.
package struct ContractViolation: Error, CustomStringConvertible {
    package var problems: [String]

    package var description: String {
        self.problems.joined(separator: "\n")
    }
}

/// Checks values against schemas of an OpenAPI 3.1 or AsyncAPI 3.0 document: the part of JSON Schema 2020-12 that the
/// cluster's documents use.
///
/// A keyword that it does not know is a violation, so nothing in a document is passed over silently. Members of an
/// object that no schema declares are violations too, unless `additionalProperties` allows them.
struct JSONSchema {
    let document: JSONValue

    /// Keywords that say nothing about validity.
    private static let annotations: Set<String> = [
        "title", "description", "default", "examples", "format", "deprecated", "discriminator", "$comment",
    ]

    func problems(of value: JSONValue, _ schema: JSONValue, at path: String) -> [String] {
        let result = self.evaluate(value, schema, path)
        return result.problems + self.undeclared(value, result, path)
    }

    /// What one schema says about a value, and which of its members it declares.
    private struct Evaluation {
        var problems: [String] = []
        var declared: Set<String> = []
        var isOpen = true

        mutating func merge(_ other: Evaluation) {
            self.problems += other.problems
            self.declared.formUnion(other.declared)
            self.isOpen = self.isOpen && other.isOpen
        }
    }

    private func undeclared(_ value: JSONValue, _ result: Evaluation, _ path: String) -> [String] {
        guard case .object(let members) = value, !result.isOpen else { return [] }
        return members.keys.filter { !result.declared.contains($0) }.sorted().map { "\(path)/\($0): is not declared" }
    }

    private func evaluate(_ value: JSONValue, _ schema: JSONValue, _ path: String) -> Evaluation {
        guard let keywords = schema.object else {
            let allowed = schema == .bool(true)
            return Evaluation(problems: allowed ? [] : ["\(path): nothing is allowed here"])
        }
        var result = Evaluation()
        for (keyword, argument) in keywords.sorted(by: { $0.key < $1.key }) {
            switch keyword {
            case "$ref": result.merge(self.referred(value, argument, path))
            case "allOf": argument.array?.forEach { result.merge(self.evaluate(value, $0, path)) }
            case "oneOf": result.merge(self.alternatives(value, argument, path, exactlyOne: true))
            case "anyOf": result.merge(self.alternatives(value, argument, path, exactlyOne: false))
            case "properties", "additionalProperties", "required":
                result.merge(self.members(value, keyword, argument, keywords, path))
            default: result.problems += self.simple(value, keyword, argument, path)
            }
        }
        return result
    }

    private func referred(_ value: JSONValue, _ reference: JSONValue, _ path: String) -> Evaluation {
        guard let target = reference.string.flatMap(self.resolve) else {
            return Evaluation(problems: ["\(path): the reference \(reference) leads nowhere"])
        }
        return self.evaluate(value, target, path)
    }

    /// The target of a reference within the document (RFC 6901).
    func resolve(_ reference: String) -> JSONValue? {
        guard reference.hasPrefix("#/") else { return nil }
        return reference.dropFirst(2).split(separator: "/").reduce(Optional(self.document)) { value, part in
            value?[String(part.replacing("~1", with: "/").replacing("~0", with: "~"))]
        }
    }

    private func alternatives(
        _ value: JSONValue,
        _ argument: JSONValue,
        _ path: String,
        exactlyOne: Bool
    ) -> Evaluation {
        let results = (argument.array ?? []).map { schema in
            var result = self.evaluate(value, schema, path)
            result.problems += self.undeclared(value, result, path)
            return result
        }
        let fitting = results.filter { $0.problems.isEmpty }
        guard let first = fitting.first, fitting.count == 1 || !exactlyOne else {
            let reasons = results.enumerated().map { "[\($0)] " + $1.problems.joined(separator: ", ") }
            let count = fitting.isEmpty ? "none" : "\(fitting.count)"
            return Evaluation(problems: [
                "\(path): fits \(count) of the alternatives: \(reasons.joined(separator: "; "))"
            ])
        }
        return first
    }

    private func members(
        _ value: JSONValue,
        _ keyword: String,
        _ argument: JSONValue,
        _ keywords: [String: JSONValue],
        _ path: String
    ) -> Evaluation {
        guard case .object(let members) = value else { return Evaluation() }
        var result = Evaluation()
        switch keyword {
        case "properties":
            let properties = argument.object ?? [:]
            result.declared = Set(properties.keys)
            result.isOpen = false
            for (name, schema) in properties.sorted(by: { $0.key < $1.key }) {
                guard let member = members[name] else { continue }
                result.problems += self.problems(of: member, schema, at: "\(path)/\(name)")
            }
        case "additionalProperties":
            let declared = Set(keywords["properties"]?.object?.keys.map { $0 } ?? [])
            let others = members.filter { !declared.contains($0.key) }
            if argument == .bool(false) {
                result.isOpen = false
            } else {
                result.declared = Set(others.keys)
                for (name, member) in others where argument != .bool(true) {
                    result.problems += self.problems(of: member, argument, at: "\(path)/\(name)")
                }
            }
        default:
            let missing = (argument.array ?? []).compactMap(\.string).filter { members[$0] == nil }
            result.problems = missing.map { "\(path)/\($0): is missing" }
        }
        return result
    }

    private func simple(_ value: JSONValue, _ keyword: String, _ argument: JSONValue, _ path: String) -> [String] {
        func rule(_ holds: Bool, _ text: String) -> [String] {
            holds ? [] : ["\(path): \(value) \(text)"]
        }
        switch keyword {
        case "type":
            let names = argument.array?.compactMap(\.string) ?? [argument.string ?? ""]
            return rule(names.contains { self.isOf($0, value) }, "is not of type \(names.joined(separator: " or "))")
        case "enum": return rule(argument.array?.contains(value) ?? false, "is none of the values of the enum")
        case "const": return rule(argument == value, "is not \(argument)")
        case "items":
            return (value.array ?? []).enumerated().flatMap { self.problems(of: $1, argument, at: "\(path)/\($0)") }
        case "minItems": return rule(Self.count(value.array?.count) >= Self.bound(argument), "has too few elements")
        case "maxItems": return rule((value.array?.count ?? 0) <= Self.bound(argument), "has too many elements")
        case "minLength":
            return rule(Self.count(value.string?.unicodeScalars.count) >= Self.bound(argument), "is too short")
        case "maxLength": return rule((value.string?.unicodeScalars.count ?? 0) <= Self.bound(argument), "is too long")
        case "minimum": return rule(value.double.map { $0 >= argument.double ?? .infinity } ?? true, "is too small")
        case "maximum": return rule(value.double.map { $0 <= argument.double ?? -.infinity } ?? true, "is too large")
        case "pattern": return self.pattern(value, argument, path)
        case _ where Self.annotations.contains(keyword): return []
        default: return ["\(path): the keyword \(keyword) of the schema is not supported"]
        }
    }

    private func pattern(_ value: JSONValue, _ argument: JSONValue, _ path: String) -> [String] {
        guard let text = value.string else { return [] }
        guard let pattern = argument.string, let regex = try? Regex(pattern) else {
            return ["\(path): the pattern \(argument) cannot be read"]
        }
        return text.contains(regex) ? [] : ["\(path): \(text) does not fit \(pattern)"]
    }

    private func isOf(_ type: String, _ value: JSONValue) -> Bool {
        switch (type, value) {
        case ("null", .null), ("boolean", .bool), ("integer", .integer), ("number", .integer), ("number", .number),
            ("string", .string), ("array", .array), ("object", .object):
            true
        default: false
        }
    }

    /// A lower bound says nothing about values of another type.
    private static func count(_ count: Int?) -> Int { count ?? .max }

    private static func bound(_ argument: JSONValue) -> Int { Int(argument.integer ?? -1) }
}
