import Glibc

/// What a command on a node sees of it, beside its namespaces: the machine's files are those of all nodes.
enum LabNodeView {
    /// The node's own resolver, where the machine has one to be hidden.
    static func mounts(of node: String, in directory: LabDirectory) -> [String] {
        let (own, usual) = (directory.resolver(node), "/etc/resolv.conf")
        guard access(own, R_OK) == 0, access(usual, R_OK) == 0 else { return [] }
        return ["--mount", "\(own):\(usual):ro"]
    }

    /// - Parameter given: by whoever asks for the command.
    /// - Returns: with Tulle's own programs before all others, where the node's agent is asked for names, and the node's way to the API.
    static func environment(
        of node: String, in directory: LabDirectory, _ tools: Tools, _ given: [String: String]
    ) -> [(name: String, value: String)] {
        var variables = given
        let usual = Supervisor.environment.first { $0.name == "PATH" }?.value ?? ""
        variables["PATH"] = [tools.directory, given["PATH"] ?? usual].filter { !$0.isEmpty }.joined(separator: ":")
        variables["TULLE_AGENT_SOCKET"] = directory.nameSocket(node)
        variables["KUBECONFIG"] = directory.nodeKubeconfig(node)
        return variables.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
    }
}
