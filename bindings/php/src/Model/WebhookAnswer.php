<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * What to answer the platform, with status 200.
 */
final readonly class WebhookAnswer implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** As it is. */
        public string $body,
        /** Null: send none. */
        public ?string $contentType,
        /** Events that were not known before. */
        public int $newEvents,
    ) {
    }
}
