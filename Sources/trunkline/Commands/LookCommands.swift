// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Logging
import Messaging
import NIOPosix
import Operations

/// What every command takes that only looks.
struct LookOptions: ParsableArguments {
    @OptionGroup var shared: SharedOptions

    @Flag(help: ArgumentHelp(.json))
    var json = false

    /// - Parameter asksRouters: whether a secret of the admin interface is taken along, if there is one.
    func look(asksRouters: Bool = false) throws -> ClusterLook {
        let settings = try self.shared.loadSettings()
        var secrets = try self.shared.resolveSecrets(of: settings, for: .look)
        if asksRouters {
            let admin = settings.readSecrets(environment: SharedOptions.environment, for: .oneOfAdmin).secrets
            (secrets.adminRead, secrets.adminOperate) = (admin.adminRead, admin.adminOperate)
        }
        return ClusterLook(
            settings: settings,
            secrets: secrets,
            group: MultiThreadedEventLoopGroup.singleton,
            // What cannot be reached is in the answer; log lines about it would say it twice.
            logger: Logger(label: "look") { _ in SwiftLogNoOpLogHandler() }
        )
    }
}

struct NodesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nodes",
        abstract: OperatorVerb.nodes.summary,
        discussion: """
            State, version and incarnation are those of a node's lease in Redis; sessions and slots it tells itself.

            Examples:
              trunkline nodes
              trunkline nodes --json | jq -r '.nodes[] | select(.role == "edge") | "\\(.name) \\(.sessions)"'
            """
    )

    @OptionGroup var options: LookOptions

    func run() async throws {
        try await Ending.report {
            let listing = NodeListing(try await self.options.look().nodes())
            print(self.options.json ? try listing.json() : listing.text(), terminator: "")
        }
    }
}

struct SlotsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slots",
        abstract: OperatorVerb.slots.summary,
        discussion: """
            The shard map says which shard holds a slot, the view of the shard which router owns it. Of one shard or router \
            the slots are listed by number, of all of them only counted.

            Examples:
              trunkline slots
              trunkline slots --router router-1
              trunkline slots --shard shard-2 --json | jq '.shares[] | {router, slots}'
            """
    )

    @OptionGroup var options: LookOptions

    @Option(help: ArgumentHelp(.ofShard))
    var shard: String?

    @Option(help: ArgumentHelp(.ofRouter))
    var router: String?

    func run() async throws {
        try await Ending.report {
            let listing = try await self.options.look().slots(shard: self.shard, router: self.router)
            let isOfAll = self.shard == nil && self.router == nil
            let text = isOfAll ? listing.summary() : listing.text()
            print(self.options.json ? try listing.json() : text, terminator: "")
        }
    }
}

struct OwnerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "owner",
        abstract: OperatorVerb.owner.summary,
        discussion: """
            The edges are asked from the owner, which needs secrets.admin_read or admin_operate; it keeps them in memory \
            only of conversations in which something was sent lately. What people wrote is not shown.

            Examples:
              trunkline owner 0199c7a1-5b1e-7c43-9f3c-2f1f0a6d8b11
              trunkline owner 0199c7a1-5b1e-7c43-9f3c-2f1f0a6d8b11 --json | jq -r .router
            """
    )

    @OptionGroup var options: LookOptions

    @Argument(help: "The conversation's id.")
    var conversation: String

    private func id() throws -> ConversationID {
        guard let id = ConversationID(self.conversation) else {
            throw ValidationError("\"\(self.conversation)\" is not the id of a conversation, which is a UUID.")
        }
        return id
    }

    func validate() throws {
        _ = try self.id()
    }

    func run() async throws {
        try await Ending.report {
            let id = try self.id()
            let owner = try await self.options.look(asksRouters: true).owner(of: id)
            print(self.options.json ? try owner.json() : owner.text(), terminator: "")
        }
    }
}

struct SessionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sessions",
        abstract: OperatorVerb.sessions.summary,
        discussion: """
            Reads the registry in Redis: a line for each device that has a session, with the edge where it is. An entry \
            of an edge's former life is left over and means nothing.

            Examples:
              trunkline sessions anna
              trunkline sessions 0199c7a1-5b1e-7c43-9f3c-2f1f0a6d8b11 --json | jq -r '.sessions[].edge'
            """
    )

    @OptionGroup var options: LookOptions

    @Argument(help: "A username, or the id of a user.")
    var user: String

    func run() async throws {
        try await Ending.report {
            let sessions = try await self.options.look().sessions(of: self.user)
            print(self.options.json ? try sessions.json() : sessions.text(), terminator: "")
        }
    }
}
