// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration

/// What an operator has the shell do to start a node again, with places for the node's name, role and host. Pure.
package struct RestartCommand: Sendable, Equatable {
    private enum Place: String, CaseIterable {
        case node, role, host
    }

    private enum Part: Equatable {
        case text(String)
        case place(Place)
    }

    private let parts: [Part]

    /// - Parameter template: for `/bin/sh`, with `{node}`, `{role}` and `{host}` in it. What the shell itself has between
    ///   braces, as `${NAME}` or `{ a; b; }`, is left to it.
    /// - Throws: when it says nothing, or has a place that is not known.
    package init(_ template: String) throws(OperationsError) {
        guard template.contains(where: { !$0.isWhitespace }) else {
            throw OperationsError("there is no command", remedy: "write one that starts a node again")
        }
        var parts: [Part] = []
        var text = ""
        var rest = template[...]
        while let character = rest.first {
            let word = rest.dropFirst().prefix { $0.isASCII && $0.isLowercase }
            guard character == "{", text.last != "$", !word.isEmpty, rest.dropFirst(word.count + 1).first == "}" else {
                text.append(character)
                rest = rest.dropFirst()
                continue
            }
            guard let place = Place(rawValue: String(word)) else {
                let known = Place.allCases.map { "{\($0.rawValue)}" }.joined(separator: ", ")
                throw OperationsError("{\(word)} is not known", remedy: "the places to fill in are \(known)")
            }
            parts += [.text(text), .place(place)]
            text = ""
            rest = rest.dropFirst(word.count + 2)
        }
        self.parts = parts + [.text(text)]
    }

    /// The command for one node.
    ///
    /// - Throws: when the node's name or host is not one that may become part of a command: they come from Redis.
    package func text(for node: RollPlan.Node) throws(OperationsError) -> String {
        var command = ""
        for part in self.parts {
            switch part {
            case .text(let text): command += text
            case .place(.node): command += try Self.name(of: node)
            case .place(.role): command += "\(node.role)"
            case .place(.host): command += try Self.host(of: node)
            }
        }
        return command
    }

    private static func name(of node: RollPlan.Node) throws(OperationsError) -> String {
        guard ClusterSettings.isName(node.name) else {
            throw OperationsError(
                "a lease names a node \(node.name.debugDescription), which no command is given",
                remedy: "see who writes to this Redis"
            )
        }
        return node.name
    }

    /// A name or an address, of characters that mean nothing to a shell and do not begin an option.
    private static func host(of node: RollPlan.Node) throws(OperationsError) -> String {
        let isPlain = node.host.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ".:-_".contains($0)) }
        guard isPlain, (1...255).contains(node.host.utf8.count), node.host.first != "-" else {
            throw OperationsError(
                "the host of \(node.name) is \(node.host.debugDescription), which no command is given",
                remedy: "write the command without {host}, or set `advertise` for the node"
            )
        }
        return node.host
    }
}
