// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func module(_ name: String, path: String? = nil, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: path, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

extension Target.Dependency {
    static let asn1 = product(name: "SwiftASN1", package: "swift-asn1")
    static let argumentParser = product(name: "ArgumentParser", package: "swift-argument-parser")
    static let asyncHTTPClient = product(name: "AsyncHTTPClient", package: "async-http-client")
    static let crypto = product(name: "Crypto", package: "swift-crypto")
    static let cryptoExtras = product(name: "CryptoExtras", package: "swift-crypto")
    static let deque = product(name: "DequeModule", package: "swift-collections")
    static let heap = product(name: "HeapModule", package: "swift-collections")
    static let histogram = product(name: "Histogram", package: "hdrhistogram-swift")
    static let httpTypes = product(name: "HTTPTypes", package: "swift-http-types")
    static let hummingbird = product(name: "Hummingbird", package: "hummingbird")
    static let hummingbirdCore = product(name: "HummingbirdCore", package: "hummingbird")
    static let jwt = product(name: "JWTKit", package: "jwt-kit")
    static let logging = product(name: "Logging", package: "swift-log")
    static let nioCore = product(name: "NIOCore", package: "swift-nio")
    static let nioEmbedded = product(name: "NIOEmbedded", package: "swift-nio")
    static let nioHTTP1 = product(name: "NIOHTTP1", package: "swift-nio")
    static let nioHTTPTypes = product(name: "NIOHTTPTypes", package: "swift-nio-extras")
    static let nioHTTPTypesHTTP1 = product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
    static let nioPosix = product(name: "NIOPosix", package: "swift-nio")
    static let nioSSL = product(name: "NIOSSL", package: "swift-nio-ssl")
    static let nioTestUtils = product(name: "NIOTestUtils", package: "swift-nio")
    static let nioTLS = product(name: "NIOTLS", package: "swift-nio")
    static let nioWebSocket = product(name: "NIOWebSocket", package: "swift-nio")
    static let serviceLifecycle = product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let x509 = product(name: "X509", package: "swift-certificates")
    static let yams = product(name: "Yams", package: "Yams")
}

let package = Package(
    name: "trunkline",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        // Without its support for swift-configuration: cluster.yaml is read by ClusterConfiguration.
        .package(
            url: "https://github.com/hummingbird-project/hummingbird",
            from: "2.28.1",
            traits: ["FullFoundation"]
        ),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
    ],
    targets: [
        .systemLibrary(name: "CLZ4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),

        // Vocabulary and pure placement: no I/O below this line.
        module("Placement"),
        module("Messaging", ["Placement", .crypto]),
        module("ClusterConfiguration", ["Messaging", .yams]),
        module("Observability", [.logging]),
        module("Fields", ["Messaging", .nioCore]),
        module("ClientProtocol", ["Fields", "Messaging", .nioCore]),

        // One module per wire.
        module("Wire", ["CLZ4", "Fields", "Messaging", "Placement", .nioCore]),
        module("Threads"),
        module("TransportSecurity", [.asn1, .crypto, .nioCore, .nioSSL, .x509]),
        module("Redis", ["CHiredis", "Threads", .logging]),
        module("Postgres", ["CLibPQ"]),

        module(
            "Mesh",
            [
                "Messaging", "Observability", "TransportSecurity", "Wire", .crypto, .deque, .heap, .logging, .nioCore,
                .nioPosix, .nioTLS,
            ]
        ),
        module("Directory", ["Messaging", "Placement", "Redis", .logging]),
        module("Storage", ["Messaging", "Placement", "Postgres", "Threads", .logging]),

        module(
            "Router",
            [
                "Directory", "Mesh", "Messaging", "Observability", "Placement", "Storage", "Threads", "Wire", .logging,
                .nioCore, .nioPosix,
            ]
        ),
        .target(
            name: "Edge",
            dependencies: [
                "ClientProtocol", "ClusterConfiguration", "Directory", "Fields", "Mesh", "Messaging", "Observability",
                "Placement", "TransportSecurity", "Wire", .crypto, .cryptoExtras, .httpTypes, .hummingbird,
                .hummingbirdCore, .jwt, .logging, .nioCore, .nioHTTP1, .nioHTTPTypes, .nioHTTPTypesHTTP1, .nioPosix,
                .nioSSL, .nioTLS, .nioWebSocket, .serviceLifecycle,
            ],
            resources: [
                .embedInCode("Contract/openapi.yaml"), .embedInCode("Contract/asyncapi.yaml"),
                .embedInCode("Contract/binary.proto"),
            ],
            swiftSettings: settings
        ),
        module(
            "Operations",
            [
                "ClusterConfiguration", "Directory", "Edge", "Mesh", "Messaging", "Observability", "Placement", "Redis",
                "Router", "Storage", "Threads", "TransportSecurity", "Wire", .hummingbird, .hummingbirdCore, .logging,
                .nioCore, .nioHTTP1, .nioPosix, .nioSSL,
            ]
        ),
        .executableTarget(
            name: "trunkline",
            dependencies: [
                "ClusterConfiguration", "Messaging", "Operations", "TransportSecurity", .argumentParser, .logging,
                .nioPosix,
            ],
            swiftSettings: settings
        ),

        module(
            "TrunklineClient",
            [
                "ClientProtocol", "Messaging", .asyncHTTPClient, .nioCore, .nioHTTP1, .nioPosix, .nioSSL, .nioWebSocket,
            ]
        ),
        .executableTarget(name: "trunkline-floor", path: "bench/Floor"),
        module("LoadModel", path: "bench/LoadModel", ["Messaging", .histogram]),
        .executableTarget(
            name: "trunkline-load",
            dependencies: [
                "ClientProtocol", "LoadModel", "Messaging", "TrunklineClient", .argumentParser, .nioCore, .nioPosix,
            ],
            path: "bench/LoadGenerator",
            swiftSettings: settings
        ),
        .target(name: "BareLoop", dependencies: ["CLibPQ"], path: "bench/BareLoop"),
        .target(name: "MicroProbe", path: "bench/MicroProbe"),
        module(
            "MicroModel",
            path: "bench/MicroModel",
            [
                "BareLoop", "ClientProtocol", "Directory", "Fields", "Messaging", "Observability", "Placement",
                "Postgres", "Router", "Storage", "Threads", "Wire", .logging, .nioCore,
            ]
        ),
        .executableTarget(
            name: "trunkline-micro",
            dependencies: ["MicroModel", "MicroProbe", .argumentParser],
            path: "bench/Micro",
            swiftSettings: settings
        ),

        module("TestSupport", path: "Tests/TestSupport", ["Messaging", "TransportSecurity", .nioSSL, .yams]),
        module("FaultModel", path: "Tests/FaultModel", ["Messaging"]),
        .executableTarget(
            name: "trunkline-faults",
            dependencies: [
                "ClientProtocol", "FaultModel", "Messaging", "TestSupport", "TrunklineClient", .argumentParser,
                .nioCore, .nioPosix,
            ],
            path: "Tests/FaultRunner",
            swiftSettings: settings
        ),
        module(
            "Simulation",
            path: "Tests/Simulation",
            [
                "ClientProtocol", "Directory", "Edge", "Mesh", "Messaging", "Placement", "Router", "Storage",
                "TestSupport",
                "TrunklineClient", "Wire", .heap, .nioCore,
            ]
        ),
        .executableTarget(
            name: "trunkline-simulate",
            dependencies: ["Messaging", "Simulation", "Threads", .argumentParser],
            path: "Tests/Simulate",
            swiftSettings: settings
        ),
        tests("PlacementTests", ["Placement", "TestSupport"]),
        tests("MessagingTests", ["Messaging", "TestSupport"]),
        tests("ClusterConfigurationTests", ["ClusterConfiguration", "TestSupport"]),
        tests("ObservabilityTests", ["Observability", .logging]),
        tests("ClientProtocolTests", ["ClientProtocol", "Fields", "Messaging", "TestSupport", .nioCore]),
        tests("WireTests", ["Fields", "Messaging", "Placement", "Wire", .nioCore]),
        tests("RedisTests", ["Redis", "TestSupport", "Threads", .logging]),
        tests("PostgresTests", ["Postgres", "TestSupport"]),
        tests(
            "MeshTests",
            [
                "Mesh", "Messaging", "Observability", "Placement", "TestSupport", "TransportSecurity", "Wire", .crypto,
                .logging, .nioCore, .nioPosix,
            ]
        ),
        tests("DirectoryTests", ["Directory", "Messaging", "Redis", "TestSupport", .logging]),
        tests(
            "StorageTests",
            ["Messaging", "Placement", "Postgres", "Storage", "TestSupport", "Threads", .logging]
        ),
        tests("TransportSecurityTests", ["TestSupport", "TransportSecurity", .asn1, .nioSSL, .x509]),
        tests("SimulationTests", ["Simulation", "TestSupport"]),
        tests(
            "RouterTests",
            ["Directory", "Messaging", "Placement", "Router", "Storage", "TestSupport", "Wire", .nioCore, .nioPosix]
        ),
        tests(
            "RelayingTests",
            [
                "Directory", "Edge", "Mesh", "Messaging", "Placement", "Router", "TestSupport", "Wire", .nioCore,
                .nioEmbedded,
            ]
        ),
        tests(
            "PresenceTests",
            ["ClientProtocol", "Directory", "Edge", "Messaging", "Placement", "Router", "TestSupport", "Wire"]
        ),
        tests(
            "EdgeTests",
            [
                "ClientProtocol", "ClusterConfiguration", "Directory", "Edge", "Mesh", "Messaging", "Observability",
                "Placement", "TestSupport", "TransportSecurity", "Wire", .crypto, .httpTypes, .hummingbird, .logging,
                .nioCore, .nioEmbedded,
                .nioHTTP1,
                .nioPosix, .nioSSL, .nioWebSocket,
            ]
        ),
        tests(
            "OperationsTests",
            [
                "ClusterConfiguration", "Directory", "Mesh", "Messaging", "Observability", "Operations", "Placement",
                "Redis", "Storage", "TestSupport", "TransportSecurity", "Wire", .logging, .nioCore, .nioPosix, .nioSSL,
            ]
        ),
        tests(
            "TrunklineClientTests",
            [
                "ClientProtocol", "Messaging", "TestSupport", "TrunklineClient", .nioCore, .nioEmbedded,
                .nioHTTP1,
                .nioPosix, .nioWebSocket,
            ]
        ),
        tests("FaultModelTests", ["FaultModel", "Messaging", "TestSupport"]),
        tests("LoadModelTests", ["LoadModel", "Messaging", "TestSupport"]),
        tests("MicroModelTests", ["MicroModel", "TestSupport"]),
        tests(
            "AutobahnTests",
            [
                "ClientProtocol", "ClusterConfiguration", "Edge", "Messaging", "Observability", "Placement",
                "TestSupport",
                "Wire", "trunkline", .logging, .nioCore, .nioPosix, .nioWebSocket,
            ]
        ),
        tests(
            "ClusterTests",
            [
                "ClientProtocol", "Messaging", "TestSupport", "TrunklineClient", "trunkline", "trunkline-load", .crypto,
                .nioCore, .nioPosix,
            ]
        ),
    ]
)

/// What the entry points of the fuzz targets use; they look into these modules.
let fuzzed: [Target.Dependency] = [
    "ClientProtocol", "ClusterConfiguration", "Directory", "Edge", "Mesh", "Messaging", "Observability", "Placement",
    "Wire", .httpTypes, .hummingbird, .hummingbirdCore, .logging, .nioCore, .nioEmbedded, .nioHTTP1, .nioHTTPTypes,
    .nioHTTPTypesHTTP1, .nioWebSocket,
]

// The tests replay the corpus through the entry points. Only `scripts/fuzz`, which compiles with sanitizers into a folder
// of its own, makes the same sources a library under a program that brings libFuzzer's loop.
if Context.environment["TRUNKLINE_FUZZ"] == nil {
    package.targets.append(
        .testTarget(
            name: "FuzzTests",
            dependencies: fuzzed + ["TestSupport"],
            path: "Tests/Fuzz",
            exclude: ["Corpus", "Driver"],
            sources: ["Entries", "Replay"],
            swiftSettings: settings
        )
    )
} else {
    package.targets += [
        module("FuzzEntries", path: "Tests/Fuzz/Entries", fuzzed),
        .executableTarget(
            name: "trunkline-fuzz",
            dependencies: ["FuzzEntries"],
            path: "Tests/Fuzz/Driver",
            swiftSettings: settings
        ),
    ]
}
