/// The environment variables of the specification (§2, Parameters). A courier carries these and no others.
public enum Variable: String, Hashable, Sendable, CaseIterable {
    case command = "CNI_COMMAND"
    case containerID = "CNI_CONTAINERID"
    case namespace = "CNI_NETNS"
    case interface = "CNI_IFNAME"
    case arguments = "CNI_ARGS"
    case path = "CNI_PATH"
}

extension [String: String] {
    /// An empty variable says as little as one that is not set.
    subscript(variable: Variable) -> String? {
        self[variable.rawValue].flatMap { $0.isEmpty ? nil : $0 }
    }

    func required(_ variable: Variable, for verb: Verb) throws(Failure) -> String {
        guard let value = self[variable] else {
            throw Failure(.badEnvironment, "\(variable.rawValue) is not set, and \(verb.rawValue) needs it")
        }
        return value
    }
}
