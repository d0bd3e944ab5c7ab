/// The environment variables of the specification (§2, Parameters). A courier carries these and no others.
public enum Variable: String, Hashable, Sendable, CaseIterable {
    case command = "CNI_COMMAND"
    case containerID = "CNI_CONTAINERID"
    case namespace = "CNI_NETNS"
    case interface = "CNI_IFNAME"
    case arguments = "CNI_ARGS"
    case path = "CNI_PATH"
}

/// The values of ``Variable`` that are set.
///
/// Six fields and no dictionary, because the first dictionary of a process costs the courier more than reading its input: the
/// library has to make its types while the program runs.
public struct Variables: Hashable, Sendable {
    private var command: String?
    private var containerID: String?
    private var namespace: String?
    private var interface: String?
    private var arguments: String?
    private var path: String?

    public init() {}

    /// What `value` says of each of them.
    public init(_ value: (Variable) -> String?) {
        command = value(.command)
        containerID = value(.containerID)
        namespace = value(.namespace)
        interface = value(.interface)
        arguments = value(.arguments)
        path = value(.path)
    }

    /// As it is set, empty or not.
    public func text(of variable: Variable) -> String? {
        switch variable {
        case .command: command
        case .containerID: containerID
        case .namespace: namespace
        case .interface: interface
        case .arguments: arguments
        case .path: path
        }
    }

    mutating func set(_ variable: Variable, to value: String) {
        switch variable {
        case .command: command = value
        case .containerID: containerID = value
        case .namespace: namespace = value
        case .interface: interface = value
        case .arguments: arguments = value
        case .path: path = value
        }
    }

    /// In the order of the specification.
    func forEach(_ body: (Variable, String) -> Void) {
        func say(_ variable: Variable, _ value: String?) { if let value { body(variable, value) } }
        say(.command, command)
        say(.containerID, containerID)
        say(.namespace, namespace)
        say(.interface, interface)
        say(.arguments, arguments)
        say(.path, path)
    }

    /// An empty variable says as little as one that is not set.
    subscript(variable: Variable) -> String? { text(of: variable).flatMap { $0.isEmpty ? nil : $0 } }

    func required(_ variable: Variable, for verb: Verb) throws(Failure) -> String {
        guard let value = self[variable] else {
            throw Failure(.badEnvironment, "\(variable.rawValue) is not set, and \(verb.rawValue) needs it")
        }
        return value
    }
}

extension Variables: ExpressibleByDictionaryLiteral {
    /// Other variables than ours are left out.
    public init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { Variable(rawValue: name).map { set($0, to: value) } }
    }
}
