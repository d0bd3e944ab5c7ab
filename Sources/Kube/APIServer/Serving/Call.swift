import Hummingbird
import NIOCore

/// What a route knows about its request besides the request.
struct Call: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The connection: a long answer ends when it closes.
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}
