/// The few words of Kubernetes' test image (`registry.k8s.io/e2e-test-images/agnhost`) that tutorials use, said by the echo server.
enum AgnhostProgram {
    /// - Parameters:
    ///   - words: the container's command and arguments; the program's name may stand first.
    ///   - echo: the echo server with the container's own ports.
    /// - Returns: `nil`: another of its words, which nobody here knows.
    static func words(_ words: [String], echo: [String], hasPorts: Bool, idle: [String]) -> [String]? {
        var words = words[...]
        if words.first == "/agnhost" || words.first == "agnhost" { words.removeFirst() }
        func port(_ option: String, _ otherwise: String) -> String {
            for (index, word) in zip(words.indices, words) {
                if word.hasPrefix("\(option)=") { return String(word.dropFirst(option.count + 1)) }
                if word == option, index + 1 < words.endIndex { return words[index + 1] }
            }
            return otherwise
        }
        func server(_ wanted: [(option: String, port: String)]) -> [String] {
            // A port that the container names too is opened once.
            let new = wanted.filter { want in !zip(echo, echo.dropFirst()).contains { $0 == (want.option, want.port) } }
            return echo + new.flatMap { [$0.option, $0.port] }
        }
        switch words.first {
        case nil: return hasPorts ? echo : idle
        case "pause": return idle
        case "netexec": return server([("--tcp", port("--http-port", "8080")), ("--udp", port("--udp-port", "8081"))])
        case "serve-hostname": return server([("--tcp", port("--port", "9376"))])
        default: return nil
        }
    }
}
