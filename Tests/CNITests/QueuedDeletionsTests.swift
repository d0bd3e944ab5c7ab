import CNI
import Glibc
import Testing

@Suite("Queued deletions")
struct QueuedDeletionsTests {
    private let directory: TemporaryDirectory
    private var queue: QueuedDeletions { QueuedDeletions(directory: "\(directory.path)/a/queue") }

    init() throws { directory = try TemporaryDirectory() }

    private func errand(_ verb: String, container: String = "c1", interface: String = "eth0", more: String = "") -> Errand {
        let input = """
            {"cniVersion":"1.1.0","name":"pods","type":"tulle-cni","agentSocket":"\(directory.path)/cni.sock",\
            "queueDirectory":"\(queue.directory)"\(more)}
            """
        return Errand(
            environment: [
                "CNI_COMMAND": verb, "CNI_CONTAINERID": container, "CNI_IFNAME": interface, "CNI_NETNS": "/proc/self/ns/net",
            ], input: Array(input.utf8))
    }

    @Test("without an agent a DEL succeeds and waits, once however often it comes, until the agent removes it")
    func waits() throws {
        #expect(try queue.all().deletions.isEmpty)
        for _ in 0..<3 { #expect(errand("DEL").run() == .done) }
        #expect(errand("DEL", container: "c2").run() == .done)

        let waiting = try queue.all()
        #expect(waiting.unreadable.isEmpty)
        #expect(waiting.deletions.map(\.attachment.containerID) == ["c1", "c2"])
        #expect(try waiting.deletions.first?.request.invocation.configuration.name == "pods")
        #expect(queue.deletion(of: try Attachment(containerID: "c1", interface: "eth0")) != nil)
        #expect(queue.deletion(of: try Attachment(containerID: "c1", interface: "eth1")) == nil)

        for deletion in waiting.deletions {
            try queue.remove(deletion)
            try queue.remove(deletion)
        }
        #expect(try queue.all().deletions.isEmpty)
        #expect(directory.names(in: "a/queue").isEmpty)
    }

    @Test("container IDs too long for a file name are kept apart")
    func longNames() throws {
        let long = String(repeating: "c", count: 400)
        for last in ["a", "b"] { #expect(errand("DEL", container: long + last).run() == .done) }
        #expect(try queue.all().deletions.map(\.attachment.containerID).sorted() == [long + "a", long + "b"])
    }

    @Test("a file that cannot be read is told, and keeps nothing else from being read")
    func unreadable() throws {
        #expect(errand("DEL").run() == .done)
        try directory.write(Array("rubbish".utf8), to: "a/queue/x:y")
        try directory.write([], to: "a/queue/.c9:eth0.77")
        let waiting = try queue.all()
        #expect(waiting.deletions.count == 1)
        #expect(waiting.unreadable.map(\.path) == ["\(queue.directory)/x:y"])
        #expect(waiting.unreadable.map(\.reason) == [.malformed(.short)])
        for file in waiting.unreadable { try queue.remove(file) }
        #expect(try queue.all().unreadable.isEmpty)
    }

    @Test("without an agent every other verb says so in its own way")
    func otherVerbs() throws {
        let more = #","prevResult":{},"cni.dev/valid-attachments":[]"#
        for (verb, code) in [("ADD", 11), ("CHECK", 11), ("GC", 11), ("STATUS", 50)] {
            let response = errand(verb, more: more).run()
            let failure = try #require(Failure(json: SmallJSON(reading: response.output)))
            #expect(response.status == 1)
            #expect(failure.code.rawValue == code, "\(verb)")
            #expect(failure.message.contains("\(directory.path)/cni.sock"))
        }
        #expect(try queue.all().deletions.isEmpty)
    }

    @Test("a deletion that can be neither carried nor left is not reported as done")
    func nowhere() throws {
        try directory.write([], to: "a")
        let response = errand("DEL").run()
        #expect(try Failure(json: SmallJSON(reading: response.output))?.code == .tryAgainLater)
    }
}
