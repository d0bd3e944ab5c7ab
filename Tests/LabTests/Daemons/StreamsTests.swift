import Glibc
import KubeAPI
import Logging
import NIOCore
import Synchronization
import Testing

@testable import APIServer
@testable import Lab

@Suite(
    "the bridge between the API server's process and the kubelets'", .tags(.kernel), .serialized, .timeLimit(.minutes(5)),
    .enabled(if: geteuid() == 0 || getenv("REQUIRE_KERNEL") != nil))
struct StreamsTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private static func target(_ name: String, node: String = "n1") -> PodTarget {
        PodTarget(namespace: "shop", name: name, node: node, object: ["metadata": ["uid": .string("uid-\(name)")]])
    }

    /// A kubelet, its end of the bridge, and the other end; the task ends the kubelet's.
    private static func run(
        _ body: @escaping @Sendable (KubeletBench, RemotePodStreams, Task<Void, any Error>) async throws -> Void
    ) async throws {
        try await KubeletBench.run { bench in
            let path = bench.directory + "/streams"
            let endpoint = StreamsEndpoint(socket: path, kubelets: ["n1": bench.kubelet], logger: logger)
            let serving = Task { try await endpoint.run() }
            defer { serving.cancel() }
            while access(path, F_OK) != 0 { await Task.yield() }
            try await body(bench, RemotePodStreams(socket: path), serving)
        }
    }

    private static func text(_ log: PodLog) async throws -> String {
        var text = ""
        for try await chunk in log.chunks { text += String(buffer: chunk) }
        return text
    }

    private static let counting =
        #"{"containers":[{"name":"a","image":"busybox","command":["sh","-c","i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done; exec sleep 1000"]}]}"#

    @Test("a log that is followed goes on until the container ends, however many follow")
    func follow() async throws {
        try await Self.run { bench, streams, _ in
            try bench.tell(
                "web",
                #"{"restartPolicy":"Never","containers":[{"name":"a","image":"busybox","command":["sh","-c","echo one; until [ -e /go ]; do sleep 0.02; done; echo two"]}]}"#
            )
            await bench.board.until { $0.isReady("web") }
            var options = LogOptions()
            options.follows = true
            let logs = try await [
                streams.log(of: Self.target("web"), options), streams.log(of: Self.target("web"), options),
                streams.log(of: Self.target("web"), options),
            ]
            _ = try await bench.execute(["touch", "/go"], "web", "a")
            for log in logs { #expect(try await Self.text(log) == "one\ntwo\n") }
        }
    }

    @Test("when the kubelets' process dies in the middle the reader hears of it, and does not take it for the end")
    func death() async throws {
        try await Self.run { bench, streams, serving in
            try bench.tell("web", Self.counting)
            await bench.board.until { $0.isReady("web") }
            var options = LogOptions()
            options.follows = true
            let log = try await streams.log(of: Self.target("web"), options)
            var chunks = log.chunks.makeAsyncIterator()
            #expect(try await chunks.next() != nil)
            serving.cancel()
            await #expect(throws: (any Error).self) {
                while try await chunks.next() != nil {}
            }
            _ = await serving.result
            await #expect(throws: Status.self) { _ = try await streams.log(of: Self.target("web"), options) }
        }
    }

    @Test("a reader that leaves ends the stream")
    func leaves() async throws {
        try await Self.run { bench, streams, _ in
            try bench.tell("web", Self.counting)
            await bench.board.until { $0.isReady("web") }
            var options = LogOptions()
            options.follows = true
            let log = try await streams.log(of: Self.target("web"), options)
            var chunks = log.chunks.makeAsyncIterator()
            #expect(try await chunks.next() != nil)
            log.cancel()
            while try await chunks.next() != nil {}
        }
    }

    @Test(
        "what cannot be had is said before anything is sent",
        arguments: [
            ("web", "n1", "x", "container x is not valid for pod web"),
            ("other", "n1", "", "pod \"other\" does not run on node \"n1\" yet"),
            ("web", "n2", "", "error dialing backend: there is no kubelet of node \"n2\" here"),
        ])
    func refusals(name: String, node: String, container: String, message: String) async throws {
        try await Self.run { bench, streams, _ in
            try bench.tell("web", #"{"containers":[{"name":"a","image":"busybox","command":["sleep","1000"]}]}"#)
            await bench.board.until { $0.isReady("web") }
            var options = LogOptions()
            options.container = container
            let refusal = await #expect(throws: Status.self) {
                _ = try await streams.log(of: Self.target(name, node: node), options)
            }
            #expect(refusal?.message == message)
        }
    }

    /// What a session has said, and how it ended.
    private static func heard(
        _ session: any StreamSession, typing lines: [String]
    ) async throws -> (output: String, outcome: String) {
        let (writer, sink) = NIOAsyncChannelOutboundWriter<StreamFrame>.makeTestingWriter()
        let running = Task {
            try await session.run(StreamListener(outbound: writer))
            writer.finish()
        }
        await session.deliver(ByteBuffer(bytes: [4] + Array(#"{"Width":100,"Height":30}"#.utf8)))
        for line in lines { await session.deliver(ByteBuffer(bytes: [0] + Array(line.utf8))) }
        var (output, outcome) = ("", "")
        for await frame in sink {
            var content = frame.content
            switch content.readInteger(as: UInt8.self) {
            case 1: output += String(buffer: content)
            case 3: outcome += String(buffer: content)
            default: Issue.record("a message for no channel")
            }
        }
        try await running.value
        return (output, outcome)
    }

    // `kubectl run -it` ended at once with "not a tty".
    @Test("a container with a terminal is attached to as it is, prompt and echo too, and its log keeps what it shows")
    func containersTerminal() async throws {
        try await KubeletBench.run { bench in
            try bench.tell(
                "web",
                #"{"restartPolicy":"Never","containers":[{"name":"a","image":"busybox","stdin":true,"stdinOnce":true,"tty":true,"env":[{"name":"PS1","value":"say: "}]}]}"#
            )
            await bench.board.until { $0.isReady("web") }
            var options = StreamOptions()
            (options.container, options.stdin, options.stdout, options.tty) = ("a", true, true, true)
            let request = StreamRequest(
                namespace: "shop", name: "web", uid: "uid-web", node: "n1", wish: .stream(.attach, options))
            let session = try await bench.kubelet.session(for: request)
            let heard = try await Self.heard(session, typing: ["stty size; tty; echo $TERM\n", "exit 3\n"])
            #expect(heard.output.contains("30 100\r\n") && heard.output.contains("/dev/pts/"), "\(heard.output)")
            #expect(heard.output.contains("xterm\r\n") && heard.output.contains("say: "))
            #expect(heard.outcome.contains("Success"))
            await bench.board.until { $0.container("web")?["state"]?["terminated"]?["exitCode"] == 3 }
            let log = try await bench.kubelet.log(namespace: "shop", pod: "web", container: "a")
            #expect(log.contains { String(decoding: $0.text, as: UTF8.self) == "30 100\r" })
        }
    }

    @Test("a terminal of a container that cannot be run is no reason to wait")
    func terminalOfNothing() async throws {
        try await KubeletBench.run { bench in
            try bench.tell(
                "web",
                #"{"restartPolicy":"Never","containers":[{"name":"a","image":"busybox","tty":true,"command":["/no/such"]}]}"#)
            await bench.board.until { $0.container("web")?["state"]?["terminated"]?["exitCode"] == 128 }
        }
    }

    @Test("a command with a terminal has one, of the client's size, and what is typed arrives")
    func terminal() async throws {
        var options = StreamOptions()
        (options.command, options.stdin, options.stdout, options.tty) = (["sh"], true, true, true)
        let launcher = try KubeletBench.program("tulle-pod")
        let session = try await CommandSession(options) { streams in
            try Child(
                [
                    launcher, "run", "--join", "\(getpid())", "--namespaces", "uts", "--tty", "--", "sh", "-c",
                    "read x; stty size; tty",
                ],
                environment: [("PATH", "/usr/bin:/bin")], streams: streams)
        }
        let (output, outcome) = try await Self.heard(session, typing: ["go\n"])
        #expect(output.contains("30 100\r\n") && output.contains("/dev/pts/"), "\(output)")
        #expect(outcome.contains("Success"))
    }
}

@Suite("parts of streams")
struct StreamPartTests {
    private static func entries(_ text: String) -> [ContainerLogTail.Entry] {
        text.split(separator: "\n").compactMap { ContainerLogTail.entry(ArraySlice($0.utf8)) }
    }

    @Test("an entry of a log is read, and a line that is none is passed over")
    func entry() {
        let read = Self.entries("2026-01-02T03:04:05.000000006Z stdout F a b\nrubbish\n2026-01-02T03:04:06Z stderr P x\n\n")
        #expect(read.map { String(decoding: $0.text, as: UTF8.self) } == ["a b", "x"])
        #expect(read.map(\.isError) == [false, true] && read.map(\.isWhole) == [true, false])
    }

    private static let log = """
        2026-01-01T00:00:01Z stdout F one
        2026-01-01T00:00:02Z stdout P tw
        2026-01-01T00:00:02Z stdout F o
        2026-01-01T00:00:03Z stdout F three
        """

    @Test(
        "a part of a log is what was asked for",
        arguments: [
            (LogSelection(), "one\ntwo\nthree\n"),
            (LogSelection(skipped: 1), "two\nthree\n"),
            (LogSelection(skipped: 2), "three\n"),
            (LogSelection(skipped: 3), ""),
            (LogSelection(since: Moment("2026-01-01T00:00:02Z")), "two\nthree\n"),
            (LogSelection(room: 5), "one\nt"),
            (LogSelection(skipped: 1, showsTimestamps: true), "2026-01-01T00:00:02Z two\n2026-01-01T00:00:03Z three\n"),
        ])
    func selection(selection: LogSelection, expected: String) {
        var (whole, single) = (selection, selection)
        let entries = Self.entries(Self.log)
        #expect(String(decoding: whole.text(of: entries), as: UTF8.self) == expected)
        // One at a time it is the same.
        #expect(entries.map { String(decoding: single.text(of: [$0]), as: UTF8.self) }.joined() == expected)
    }

    @Test("a request comes out of its frame as it went in")
    func request() throws {
        var (log, stream) = (LogOptions(), StreamOptions())
        (log.container, log.follows, log.isPrevious, log.showsTimestamps) = ("c", true, true, true)
        (log.tailLines, log.limitBytes, log.sinceSeconds, log.sinceTime) = (1, 2, 3, "2026-01-01T00:00:00Z")
        (stream.container, stream.command, stream.ports) = ("c", ["a", "b c"], [80, 443])
        (stream.stdin, stream.stdout, stream.stderr, stream.tty) = (true, true, true, true)
        let wishes: [StreamRequest.Wish] =
            [.log(log), .log(LogOptions())] + StreamKind.allCases.map { .stream($0, stream) } + [.stream(.exec, StreamOptions())]
        for wish in wishes {
            let request = StreamRequest(namespace: "n", name: "p", uid: "u", node: "k", wish: wish)
            #expect(StreamRequest(StreamFrame(.request, request.tree).tree) == request)
        }
        #expect(StreamRequest([:]) == nil)
    }

    @Test("what is handed over arrives in order, the giver waits, and an end ends both")
    func handoff() async throws {
        let handoff = Handoff<Int>()
        let given = Mutex(0)
        let giving = Task {
            for number in 1...3 {
                guard await handoff.give(number) else { return false }
                given.withLock { $0 = number }
            }
            return await handoff.give(4)
        }
        #expect(try await handoff.take() == 1)
        #expect(given.withLock { $0 } <= 1)
        #expect(try await handoff.take() == 2)
        #expect(try await handoff.take() == 3)
        handoff.finish(.failure(LabError(.unanswered, "away")))
        #expect(await giving.value == false)
        await #expect(throws: LabError.self) { try await handoff.take() }
    }
}
