<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * The response to the platform.
 */
final readonly class WebhookAnswer implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The body, to be sent unchanged. */
        public string $body,
        /** The content type; null: send none. */
        public ?string $contentType,
        /** The status to answer with: 200, unless the platform wants another one. */
        public int $status,
        /** Events that were not known before. */
        public int $newEvents,
    ) {
    }
}
