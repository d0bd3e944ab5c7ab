/// What runs for an image: nothing is pulled, so images are names for commands on this machine.
public struct ImageCatalogue: Hashable, Sendable {
    public enum Program: Hashable, Sendable {
        /// Answers on every port of the container.
        case echo
        case idle
        /// There is no such image: its pods wait, as where a registry does not have it.
        case missing
        /// ``AgnhostProgram``.
        case agnhost
        /// The host's own programs: this one, to which a container's arguments are added.
        case command([String])
        /// The host's own programs: what a container's arguments say, or this one.
        case shell([String])
    }

    public struct Entry: Hashable, Sendable {
        /// With `*` for any characters; without a tag it means all of them.
        public var pattern: String
        public var program: Program

        public init(_ pattern: String, _ program: Program) { (self.pattern, self.program) = (pattern, program) }
    }

    /// The first that matches counts.
    public var entries: [Entry]

    /// - Parameter entries: a user's own, which go before ours.
    public init(_ entries: [Entry] = []) { self.entries = entries + Self.builtIn }

    /// Tulle's own name server.
    private static let nameServer = "tulle/dns"
    /// Where containers of Tulle's own images find its programs.
    static let place = "/opt/tulle"

    /// Whether an image is one of Tulle's own that holds its programs.
    static func holdsPrograms(_ image: String) -> Bool { matches(image, nameServer) }

    private static let builtIn: [Entry] = [
        // No such name is ever given to anybody (RFC 2606 §2).
        Entry("*.invalid/*", .missing), Entry("*.invalid:*/*", .missing),
        Entry(nameServer, .command([place + "/tulle", "dns", "serve"])), Entry("*echo*", .echo), Entry("*agnhost*", .agnhost),
        Entry("*nginx*", .echo), Entry("*whoami*", .echo),
        Entry("*pause*", .idle),
        // Images with a default command (CMD) and no entry point: arguments are the whole command.
        Entry("*busybox*", .shell(["sh"])), Entry("*alpine*", .shell(["sh"])), Entry("*debian*", .shell(["bash"])),
        Entry("*ubuntu*", .shell(["bash"])), Entry("*python*", .shell(["python3"])), Entry("*curl*", .shell(["sh"])),
        Entry("*netshoot*", .shell(["bash"])),
    ]
}

extension ImageCatalogue {
    /// Why there is no such image, in a runtime's words; `nil` when there is one.
    func missing(_ image: String) -> String? {
        guard entries.first(where: { Self.matches(image, $0.pattern) })?.program == .missing else { return nil }
        return "failed to pull and unpack image \"\(image)\": failed to resolve reference \"\(image)\": not found"
    }

    /// What a container runs; the note is for an event when nobody knows the image.
    func words(
        for container: ContainerManifest, command: [String], arguments: [String], echo: [String], idle: [String]
    ) -> (words: [String], note: String?) {
        let entry = entries.first { Self.matches(container.image, $0.pattern) }
        if entry?.program == .agnhost {
            let words = AgnhostProgram.words(command + arguments, echo: echo, hasPorts: !container.ports.isEmpty, idle: idle)
            return (words ?? command + arguments, nil)
        }
        // A command is run whatever the image: it is looked for on the host.
        if !command.isEmpty { return (command + arguments, nil) }
        switch entry?.program {
        case .command(let own): return (own + arguments, nil)
        case .shell(let own): return (arguments.isEmpty ? own : arguments, nil)
        // Nobody starts one that is missing.
        case .idle, .missing: return (idle, nil)
        // Without a port there is nothing to answer on.
        case .echo, .agnhost: return (container.ports.isEmpty ? idle : echo, nil)
        case nil:
            // Here too: nothing to answer on without a port.
            let what = container.ports.isEmpty ? "it has no ports, so nothing runs" : "the echo server runs"
            let note = "Image \"\(container.image)\" is not in the lab's catalogue and nothing is pulled: \(what) in its place"
            return (container.ports.isEmpty ? idle : echo, note)
        }
    }

    static func matches(_ image: String, _ pattern: String) -> Bool {
        func match(_ text: Substring, _ pattern: Substring) -> Bool {
            guard let first = pattern.first else { return text.isEmpty }
            if first == "*" {
                return match(text, pattern.dropFirst()) || !text.isEmpty && match(text.dropFirst(), pattern)
            }
            return text.first == first && match(text.dropFirst(), pattern.dropFirst())
        }
        // registry:5000/name:tag@digest: the tag's colon comes after the last slash.
        var bare = image.prefix { $0 != "@" }
        if let colon = bare.lastIndex(of: ":"), !bare[colon...].contains("/") { bare = bare[..<colon] }
        return match(image[...], pattern[...]) || match(bare, pattern[...])
    }
}
