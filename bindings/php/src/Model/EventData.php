<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * What an event is about, as it was then. Members that do not belong to the event's type are null.
 */
final readonly class EventData implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The app. */
        public ?string $app,
        /** The channel. */
        public ?string $channel,
        /** Of events of a channel: the account's name. */
        public ?string $displayName,
        /** Of events of a channel: `active`, `limited`, `needs_reconnect`. */
        public ?string $health,
        /** Of events of a channel: why its health is not `active`. */
        public ?string $detail,
        /** The job. */
        public ?string $job,
        /** The job's status. */
        public ?string $status,
        /** The platform's id of the job's post, if it is known. */
        public ?string $postId,
        /** The post's page, if it is known. */
        public ?string $url,
        /** The key that the job was submitted with. */
        public ?string $idempotencyKey,
        /** Why the job waits, or why it ended. */
        public ?Error $error,
        /** The provider. */
        public ?string $provider,
        /** The version of the provider's component. */
        public ?string $version,
        /** The digest of the provider's component. */
        public ?string $digest,
    ) {
    }
}
