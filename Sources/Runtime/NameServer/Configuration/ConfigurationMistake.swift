/// A configuration that cannot be used: every mistake in it. What was in force before should stay so.
public struct NameServerConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// In the order of their places.
    public var mistakes: [ConfigurationMistake]

    /// A line for each: `names.yaml:3:5: stubs[0].domain: "-" is no domain name`.
    public var description: String { mistakes.map(\.description).joined(separator: "\n") }
}

/// What is wrong, where, and what to write instead.
public struct ConfigurationMistake: Hashable, Sendable, CustomStringConvertible {
    public var file: String
    /// From 1.
    public var line: Int
    /// From 1.
    public var column: Int
    /// The key, such as `stubs[0].domain`; empty for the whole.
    public var path: String
    public var reason: String

    public var description: String { "\(file):\(line):\(column): \(path.isEmpty ? "" : path + ": ")\(reason)" }
}
