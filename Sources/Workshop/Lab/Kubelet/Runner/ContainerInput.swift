import Glibc

/// What a container is started with to read from: nothing, a pipe, or a terminal.
final class ContainerInput {
    let terminal: ContainerTerminal?
    private let ends: ContainerTerminal.Ends?
    private let reading: CInt?
    /// Our end of the pipe; closed with this unless somebody takes it.
    private var writing: CInt?

    init(_ container: ContainerManifest) throws(LabError) {
        if container.hasTerminal {
            let (terminal, ends) = try ContainerTerminal.open()
            (self.terminal, self.ends, reading) = (terminal, ends, nil)
        } else if container.takesInput {
            let pipe = try CommandPipes.pair()
            (reading, writing) = (pipe.reading, pipe.writing)
            (terminal, ends) = (nil, nil)
        } else {
            (terminal, ends, reading) = (nil, nil, nil)
        }
    }

    deinit { if let writing { close(writing) } }

    /// For `tulle-pod container`: descriptor 3 is taken, so what is inherited is 4.
    var words: [String] { ends == nil ? [] : ["--terminal", "4"] }
    var inherited: [CInt] { ends.map { [$0.log] } ?? [] }
    var streams: Child.Streams? { (ends?.slave ?? reading).map { Child.Streams(input: $0) } }

    func closeContainersEnds() {
        ends?.close()
        if let reading { close(reading) }
    }

    func takeInput() -> CInt? {
        defer { writing = nil }
        return writing
    }
}
