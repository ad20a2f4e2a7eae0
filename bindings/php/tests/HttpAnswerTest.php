<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use PHPUnit\Framework\TestCase;
use SocialChannel\Exception\CallException;
use SocialChannel\Internal\HttpAnswer;
use SocialChannel\Model\ErrorKind;

/** Answers that are not the service's own: something stands in front of it. */
final class HttpAnswerTest extends TestCase
{
    public function testWhatAServerInFrontRefusesIsSaid(): void
    {
        foreach ([413 => ErrorKind::LimitExceeded, 404 => ErrorKind::Misconfigured, 502 => ErrorKind::Unavailable] as $status => $kind) {
            try {
                (new HttpAnswer($status, ['content-type' => 'text/html'], '<h1>nginx</h1>'))->check();
                self::fail("$status was taken for success");
            } catch (CallException $failure) {
                self::assertSame($kind, $failure->kind);
                self::assertStringContainsString((string) $status, $failure->getMessage());
                self::assertNotNull($failure->remedy);
            }
        }
    }
}
