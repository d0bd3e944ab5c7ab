import NIOCore
import NIOEmbedded
import Testing

@testable import KubeClient

@Suite("what is read from a watch") struct ReadGatheringTests {
    /// A channel that asks for more after each reading, and notes when it may read.
    private final class Stage {
        /// Passes each question for more on to the channel, as a socket would hear it.
        private final class Ear: ChannelOutboundHandler {
            typealias OutboundIn = ByteBuffer
            var questions = 0
            func read(context: ChannelHandlerContext) {
                questions += 1
                context.read()
            }
        }

        private let ear = Ear()
        let channel: EmbeddedChannel

        init() throws {
            channel = EmbeddedChannel()
            try channel.pipeline.syncOperations.addHandler(ear)
            try channel.pipeline.syncOperations.addHandler(ReadGathering(.milliseconds(20)))
            channel.connect(to: try SocketAddress(ipAddress: "192.0.2.1", port: 443), promise: nil)
            channel.read()
        }

        /// Something comes; then its reader asks for more.
        ///
        /// - Returns: whether the socket hears of that at once.
        func comes(_ size: Int = 100, after time: TimeAmount) throws -> Bool {
            channel.embeddedEventLoop.advanceTime(by: time)
            channel.pipeline.fireChannelRead(ByteBuffer(repeating: 7, count: size))
            channel.pipeline.fireChannelReadComplete()
            #expect(try channel.readInbound(as: ByteBuffer.self)?.readableBytes == size, "nothing is held back")
            let before = ear.questions
            channel.read()
            return ear.questions > before
        }

        /// Whether the socket is asked within this time.
        func isAsked(within time: TimeAmount) -> Bool {
            let before = ear.questions
            channel.embeddedEventLoop.advanceTime(by: time)
            return ear.questions > before
        }
    }

    @Test("what comes alone is read at once, and so is what comes next")
    func alone() throws {
        let stage = try Stage()
        for _ in 0..<3 { #expect(try stage.comes(after: .milliseconds(15))) }
        _ = try stage.channel.finish()
    }

    @Test("what comes closely upon something else waits in the socket, once for all that comes meanwhile")
    func many() throws {
        let stage = try Stage()
        #expect(try stage.comes(after: .seconds(1)))
        #expect(try !stage.comes(after: .milliseconds(2)))
        stage.channel.read()
        #expect(!stage.isAsked(within: .milliseconds(19)), "asking again changes nothing")
        #expect(stage.isAsked(within: .milliseconds(1)))
        // Much was waiting: the stream goes on.
        #expect(try !stage.comes(after: .zero))
        #expect(stage.isAsked(within: .milliseconds(20)))
        // Nothing was: it is over, and the next one is alone.
        #expect(try stage.comes(after: .milliseconds(30)))
        _ = try stage.channel.finish()
    }

    @Test("a full buffer is followed by the rest at once")
    func much() throws {
        let stage = try Stage()
        #expect(try stage.comes(after: .seconds(1)))
        #expect(try stage.comes(64 << 10, after: .milliseconds(1)))
        #expect(try !stage.comes(after: .milliseconds(1)))
        _ = try stage.channel.finish()
    }

    @Test("a connection that ends in between is not asked any more")
    func end() throws {
        let stage = try Stage()
        #expect(try stage.comes(after: .seconds(1)))
        #expect(try !stage.comes(after: .milliseconds(1)))
        stage.channel.pipeline.fireChannelInactive()
        #expect(!stage.isAsked(within: .seconds(1)))
        _ = try? stage.channel.finish()
    }
}
