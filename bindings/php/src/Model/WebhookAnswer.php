<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * The response to the platform, sent with status 200.
 */
final readonly class WebhookAnswer implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The body, to be sent unchanged. */
        public string $body,
        /** The content type; null: send none. */
        public ?string $contentType,
        /** Events that were not known before. */
        public int $newEvents,
    ) {
    }
}
