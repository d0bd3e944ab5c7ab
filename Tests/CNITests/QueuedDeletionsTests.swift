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
        #expect(try waiting.deletions.first?.request.get().invocation.configuration.name == "pods")
        #expect(try queue.deletion(of: Attachment(containerID: "c1", interface: "eth0")) != nil)
        #expect(try queue.deletion(of: Attachment(containerID: "c1", interface: "eth1")) == nil)

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

    // A pod whose deletion was damaged kept its link and its address for ever: the file was thrown away.
    @Test("a damaged file is carried out by its name")
    func damaged() throws {
        #expect(errand("DEL").run() == .done)
        try directory.write(Array("rubbish".utf8), to: "a/queue/c2:eth0")
        try directory.write([], to: "a/queue/.c9:eth0.77")
        // Another name than the deletion says: the name counts, for whoever looks for it looks there.
        #expect(try Program.run(["cp", "\(queue.directory)/c1:eth0", "\(queue.directory)/c3:eth0"]).status == 0)
        let waiting = try queue.all()
        #expect(waiting.unreadable.isEmpty)
        #expect(waiting.deletions.map(\.attachment.description) == ["c1:eth0", "c2:eth0", "c3:eth0"])
        #expect(waiting.deletions.map { (try? $0.request.get()) != nil } == [true, false, false])
        for (deletion, damage) in zip(waiting.deletions.dropFirst(), [CourierMalformation.short, .environment]) {
            #expect { try deletion.request.get() } throws: { $0 as? QueuedDeletions.Damage == .malformed(damage) }
            #expect(try queue.deletion(of: deletion.attachment) != nil)
            try queue.remove(deletion)
        }
        #expect(try queue.all().deletions.map(\.attachment.containerID) == ["c1"])
    }

    @Test("a file that neither its name nor its content explains, or that the system does not let us read, is told and stays")
    func unreadable() throws {
        #expect(errand("DEL").run() == .done)
        for name in ["readme", "x:y:z", "x:a:b"] {
            try directory.write(Array("rubbish".utf8), to: "a/queue/\(name)")
        }
        // The system refuses to read a directory, even to root.
        #expect(mkdir("\(queue.directory)/c5:eth0", 0o700) == 0)
        for _ in 0..<2 {
            let waiting = try queue.all()
            #expect(waiting.deletions.map(\.attachment.containerID) == ["c1"])
            #expect(waiting.unreadable.map(\.path) == ["c5:eth0", "readme", "x:a:b", "x:y:z"].map { "\(queue.directory)/\($0)" })
            #expect(waiting.unreadable.map(\.reason).dropFirst().allSatisfy { $0 == .malformed(.short) })
        }
        // Whether one waits is not known: an ADD must not go on as if there were none.
        #expect { try queue.deletion(of: Attachment(containerID: "c5", interface: "eth0")) } throws: { error in
            guard case .system(let failure)? = (error as? QueuedDeletions.Unreadable)?.reason else { return false }
            return failure.errno == EISDIR
        }
    }

    @Test("a long name is cut, and its damaged file found by whoever knows the attachment")
    func longDamaged() throws {
        let long = String(repeating: "c", count: 400)
        let attachment = try Attachment(containerID: long, interface: "eth0")
        #expect(errand("DEL", container: long).run() == .done)
        let name = try #require(directory.names(in: "a/queue").first)
        try directory.write([1], to: "a/queue/\(name)")
        #expect(try queue.all().unreadable.map(\.path) == [queue.path(of: attachment)])
        #expect(try queue.deletion(of: attachment)?.attachment == attachment)
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
