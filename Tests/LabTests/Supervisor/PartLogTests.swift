import Glibc
import Logging
import Testing

@testable import Lab

@Suite("the logs of a lab's parts", .timeLimit(.minutes(5))) struct PartLogTests {
    @Test("a log that is full becomes the one before it, and its writer goes on in an empty one") func rotates() throws {
        let scratch = try Scratch()
        let path = scratch.path + "/agent.log"
        let writer = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { close(writer) }
        #expect(write(writer, "one\n", 4) == 4)
        PartLog.rotate(path, limit: 5)
        #expect(Files.text(of: path) == "one\n" && access(path + ".1", F_OK) != 0)
        PartLog.rotate(path, limit: 4)
        #expect(Files.text(of: path) == "" && Files.text(of: path + ".1") == "one\n")
        #expect(write(writer, "second\n", 7) == 7)
        #expect(Files.text(of: path) == "second\n")
        PartLog.rotate(path, limit: 4)
        #expect(Files.text(of: path) == "" && Files.text(of: path + ".1") == "second\n")
        PartLog.rotate(scratch.path + "/none", limit: 0)
        #expect(Files.names(in: scratch.path) == ["agent.log", "agent.log.1"])
    }

    // The logs of the API server and the agents grew as long as the lab was up.
    @Test("a part's log is looked after while the part is there") func part() async throws {
        let scratch = try Scratch()
        let path = scratch.path + "/part.log"
        let surroundings = LabSurroundings(now: { Moment(.zero) }, clock: ContinuousClock(), bits: { 0 })
        let part = LabPart(
            "part", log: path, rotates: (limit: 3000, interval: .milliseconds(5)), surroundings,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { log in
            let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
            defer { close(null) }
            return try Child(
                ["/bin/sh", "-c", "head -c 5000 /dev/zero; exec sleep 1000"],
                streams: Child.Streams(input: null, output: log, error: log))
        }
        let running = Task { await part.run() }
        while Files.text(of: path + ".1")?.utf8.isEmpty != false { await Task.yield() }
        running.cancel()
        await running.value
    }
}
